"""Writes what pages take from the code: keys of recipes, commands with their options, tables of the plan's arithmetic.

    python docs/generate.py

tests/docs fails while a page says something else than the code does.
"""  # noqa: INP001 - a script

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click

from domainlm.cli.group import PROGRAM, cli
from domainlm.cli.lazy import LazyCommand
from domainlm.cli.recipe_keys import Key, describe_keys
from domainlm.cli.state import CliState
from domainlm.model.config import ModelConfig
from domainlm.plan.parameters import num_parameters
from domainlm.plan.timing import Cluster, efficiency
from domainlm.plan.work import Degrees, Work
from domainlm.plugin import load_plugins

_REFERENCE = Path(__file__).parent / "reference"
_BEGIN = "<!-- written by docs/generate.py from here -->\n"
_END = "<!-- to here -->\n"


def recipe_keys() -> str:
    """Every key of a recipe, a section for each table."""
    keys = list(describe_keys())
    inside = {key.name: [other for other in keys if other.name.rpartition(".")[0] == key.name] for key in keys}
    for key in keys:
        if key.type.startswith("list of table"):
            inside[key.name] = [other for other in keys if other.name.rpartition(".")[0] == f"{key.name}.N"]
    top = [key for key in keys if "." not in key.name]
    parts = ["## Outside of any table\n", _key_table([key for key in top if not inside[key.name]], "")]
    for key in keys:
        if inside[key.name]:
            title = f"[[{key.name}]]" if key.type.startswith("list of table") else f"[{key.name.replace('.N.', '.')}]"
            prefix = f"{key.name}.N." if title.startswith("[[") else f"{key.name}."
            rows = [entry for entry in inside[key.name] if not inside[entry.name]]
            parts += [f"## `{title}`\n", f"{_presence(key)}{key.help}\n"]
            parts += [_key_table(rows, prefix)] if rows else []
    return "\n".join(parts)


def command_line() -> str:
    """Every command of the core with its arguments, options and help text."""
    state = CliState()
    state.all_plugins = load_plugins(candidates=[])  # the core's commands alone, whatever is installed here
    context = click.Context(cli, info_name=PROGRAM, obj=state, **cli.context_settings)
    return "\n".join(part for command in _commands(context) for part in _command_parts(command))


def scaling_tables() -> str:
    """Efficiencies on paper: of the runs that Shoeybi et al. (2019) measured, and of two sizes on up to 512 GPUs."""
    measured = _wide_table(
        ("model", "grid", "without overlap", "all overlapped", "measured"),
        [_measured_row(*run) for run in _MEGATRON_RUNS],
    )
    ours = _wide_table(
        ("model", "GPUs", "grid", "64 sequences a GPU", "8,192 sequences"),
        [_scaling_row(layers, hidden, gpus, ways) for layers, hidden in _SHAPES for gpus in _GPUS for ways in _WAYS],
    )
    return f"### Against what was measured\n\n{measured}\n### Up to 512 GPUs\n\n{ours}"


_MEGATRON_RUNS = (
    (40, 1536, 16, Degrees(data=64), 96),
    (54, 1920, 20, Degrees(tensor=2), 95),
    (54, 1920, 20, Degrees(data=64, tensor=2), 83),
    (64, 2304, 24, Degrees(tensor=4), 82),
    (64, 2304, 24, Degrees(data=64, tensor=4), 79),
    (72, 3072, 32, Degrees(tensor=8), 77),
    (72, 3072, 32, Degrees(data=64, tensor=8), 74),
)
"""Layers, hidden, heads, grid, percent measured: Shoeybi et al. (2019), table 1 and figure 5."""
_V100 = Cluster(
    operations_per_second=39e12,
    bytes_per_second_within=150e9,
    bytes_per_second_between=100e9 / 16,
    ranks_per_machine=16,
)
_H100 = Cluster(
    operations_per_second=400e12, bytes_per_second_within=450e9, bytes_per_second_between=50e9, ranks_per_machine=8
)
_SHAPES = ((24, 1024), (24, 2048))
_GPUS = (8, 64, 512)
_WAYS = ((1, 1), (2, 1), (1, 2), (1, 8))
_SEQUENCES_PER_GPU, _LARGE_BATCH, _MOST_IN_A_MICRO_BATCH = 64, 8192, 32


def _shape(layers: int, hidden: int, heads: int, rows: int, max_positions: int) -> ModelConfig:
    return ModelConfig(
        layers=layers,
        hidden=hidden,
        heads=heads,
        feed_forward=4 * hidden,
        max_positions=max_positions,
        architecture="megatron",
        dropout=0.1,
        vocabulary_size=rows,
        padded_vocabulary_size=rows,
    )


def _measured_row(layers: int, hidden: int, heads: int, degrees: Degrees, percent: int) -> list[str]:
    """Eight sequences of 1,024 a replica, the whole model recomputed, everything predicted, 16-bit values."""
    work = Work(
        config=_shape(layers, hidden, heads, 51_200, 1024),
        sentence_order=False,
        max_tokens=1024,
        num_sequences_per_step=8 * degrees.data,
        num_sequences_per_micro_batch=8,
        masked_share=1.0,
        precision="bf16_weights",
        checkpoint_every=1,
        gradient_bytes=2,
    )
    shares = [efficiency(work, degrees, replace(_V100, overlap=overlap)) for overlap in (0.0, 1.0)]
    billions = num_parameters(work.config, sentence_order=False) / 1e9
    return [f"{billions:.1f} B", str(degrees), *(f"{share:.0%}" for share in shares), f"{percent}%"]


def _scaling_row(layers: int, hidden: int, num_gpus: int, ways: tuple[int, int]) -> list[str]:
    """Without and with all overlapped, at a batch that grows with the GPUs and at one that does not."""
    pipeline, tensor = ways
    degrees = Degrees(data=num_gpus // (pipeline * tensor), pipeline=pipeline, tensor=tensor)
    cells = []
    for batch in (_SEQUENCES_PER_GPU * num_gpus, _LARGE_BATCH):
        in_a_micro_batch = min(_MOST_IN_A_MICRO_BATCH, batch // (degrees.data * pipeline))
        work = Work(
            config=_shape(layers, hidden, 16, 30_592, 512),
            num_sequences_per_step=batch,
            num_sequences_per_micro_batch=in_a_micro_batch,
            precision="bf16",
        )
        low, high = (efficiency(work, degrees, replace(_H100, overlap=overlap)) for overlap in (0.0, 1.0))
        cells.append(" to ".join(dict.fromkeys(f"{share:.0%}" for share in (low, high))))
    millions = num_parameters(work.config, sentence_order=True) / 1e6
    return [f"{millions:,.0f} M", str(num_gpus), str(degrees), *cells]


PAGES: dict[str, Callable[[], str]] = {
    "recipe.md": recipe_keys,
    "command-line.md": command_line,
    "../explanation/scaling.md": scaling_tables,
}
"""Pages, from docs/reference, with what is generated in them."""


def rewritten(page: str, content: str) -> str:
    """The page with its generated part replaced."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page lacks {_BEGIN.strip()} or {_END.strip()}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def main() -> None:
    """Rewrite every page."""
    for name, generate in PAGES.items():
        path = _REFERENCE / name
        path.write_text(rewritten(path.read_text(encoding="utf-8"), generate()), encoding="utf-8")


def _presence(key: Key) -> str:
    if key.default is None:
        return "Required. "
    return "Left out where not given. " if key.default == "none" else ""


def _key_table(keys: Iterable[Key], prefix: str) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in keys:
        default = "required" if key.default is None else f"`{key.default}`" if key.default != "none" else "none"
        cells = (f"`{key.name.removeprefix(prefix)}`", key.type, default, key.help)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _commands(context: click.Context) -> Iterator[click.Context]:
    """The context of every command, each group before its members."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            real = found.load() if isinstance(found, LazyCommand) else found
            yield from _commands(click.Context(real, info_name=name, parent=context))


def _command_parts(context: click.Context) -> Iterator[str]:
    command = context.command
    depth = "##" if context.parent is None or context.parent.parent is None else "###"
    yield f"{depth} `{context.command_path}`\n"
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {pieces}\n```\n"
    yield _help_text(command.help or "")
    records = [record for param in command.params if (record := param.get_help_record(context)) and record[1]]
    if records:
        yield _table(("option", "meaning"), records)
    if isinstance(command, click.Group):
        names = command.list_commands(context)
        members = [(name, found) for name in names if (found := command.get_command(context, name))]
        yield _table(("command", "what it does"), [(name, found.get_short_help_str(200)) for name, found in members])


def _help_text(text: str) -> str:
    """A docstring of a command as Markdown: what click would not wrap stands in a block of its own."""
    parts = [part for part in re.split(r"\n\s*\n", inspect.cleandoc(text)) if part]
    paragraphs = [
        "```text\n" + part.removeprefix("\b\n") + "\n```" if part.startswith("\b") else " ".join(part.split())
        for part in parts
    ]
    return "\n\n".join(paragraphs) + "\n"


def _table(header: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {header[0]} | {header[1]} |", "|---|---|"]
    lines += [f"| `{_cell(name)}` | {_cell(meaning)} |" for name, meaning in rows]
    return "\n".join(lines) + "\n"


def _wide_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Text in the first column, numbers and grids in the others."""
    names = list(header)
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"\s{2,}", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    main()
