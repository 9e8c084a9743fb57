"""Preparing text, side by side: from .txt.gz to Megatron-LM's .bin/.idx.

    python benchmarks/prepare_text.py                      # synthetic text, 60 MB
    python benchmarks/prepare_text.py --text a.txt.gz --vocabulary vocab.txt --sizes 60 600

Whether memory grows with the text: `--sizes 60 600 --contenders domainlm domainlm-near`, the last column.

Contenders, on the same cores:

- `bare`: nothing but `encode_batch` of the tokenizers library over lines in memory. The mark to reach.
- `domainlm`: read, normalise, exact duplicates, leak guard, sentences, token ids, everything on disk.
- `domainlm-near`: the same with near duplicates.
- `megatron`: the way of Megatron-LM's tools/preprocess_data.py, written anew: a pool of processes splits and tokenises
  one document at a time, the main process writes. With the fast tokenizers library, not the Python tokenizer it has for
  BERT, and without duplicates and leaks.
- `datasets`: the same by `datasets.map`, in batches, where that library is installed.

A text is repeated up to the size; each copy of a document begins with a sentence of its own, so that none is an exact
duplicate. Each run is a process of its own, the contenders take turns, and the table gives medians.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from bars import Panel
from measuring import Clock, Measured, as_dicts, machine_facts, run_apart, summary, write_results

_PACKAGES = ("domainlm", "tokenizers", "numpy", "rensa", "datasets")
_LINES_PER_BATCH = 10_000
_SYNTHETIC_MEGABYTES = 20


def documents_of(path: Path) -> Iterator[list[str]]:
    """The documents of a text: a paragraph a line, a blank line between documents."""
    paragraphs: list[str] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                paragraphs.append(line.rstrip("\n"))
            elif paragraphs:
                yield paragraphs
                paragraphs = []
    if paragraphs:
        yield paragraphs


def run_bare(text: Path, vocabulary: Path, out: Path, cores: int) -> dict[str, Any]:
    """Encode all lines, held in memory."""
    from tokenizers import Tokenizer

    os.environ["RAYON_NUM_THREADS"] = str(cores)
    tokenizer = Tokenizer.from_file(str(vocabulary / "tokenizer.json"))
    lines = list(chain.from_iterable(documents_of(text)))
    clock = Clock()
    num_tokens = 0
    for first in range(0, len(lines), _LINES_PER_BATCH):
        batch = lines[first : first + _LINES_PER_BATCH]
        num_tokens += sum(len(encoding) for encoding in tokenizer.encode_batch(batch, add_special_tokens=False))
    return {**clock.facts(), "tokens": num_tokens}


def run_domainlm(text: Path, vocabulary: Path, out: Path, cores: int, *, near: bool = False) -> dict[str, Any]:
    """Build a corpus as `domainlm corpus build` does, guarded against 2,000 of its own words."""
    from domainlm.builtin.specs import read_text
    from domainlm.study.preparation import encoding_of
    from domainlm.text.preparation.blocks import group_files
    from domainlm.text.preparation.leaks import GuardedText, LeakGuard, LeakSettings
    from domainlm.text.preparation.merging import DuplicateSettings
    from domainlm.text.preparation.near import NearSettings
    from domainlm.text.preparation.prepare import Preparation, finish, prepare_parts
    from domainlm.text.preparation.reading import Input

    guarded = [
        GuardedText("a, test", str(n), " ".join(lines)) for n, lines in enumerate(islice(documents_of(text), 20))
    ]
    clock = Clock()
    preparation = Preparation(
        source=Input(read_text, group_files([text])),
        source_identity={},
        held_out_share=0.02,
        duplicates=DuplicateSettings(near=NearSettings() if near else None),
        guard=LeakGuard.of(guarded, LeakSettings()),
        encoding=encoding_of(vocabulary),
    )
    prepare_parts(preparation, out / "work", num_workers=cores)
    parts_seconds = clock.facts()["seconds"]
    prepared = finish(
        preparation.finishing, [out / "work"], text=out / "text", tokens=out / "tokens", removed=out / "removed.jsonl"
    )
    facts = prepared.as_dict()
    tokens = facts["train"]["num_tokens"] + facts["held_out"]["num_tokens"]
    return {**clock.facts(), "parts_seconds": parts_seconds, "tokens": tokens, **facts["documents"]}


def run_megatron(text: Path, vocabulary: Path, out: Path, cores: int) -> dict[str, Any]:
    """A document a task, chunks of 25, sentences by the splitter of domainlm (there: NLTK's punkt)."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    clock = Clock()
    with Pool(cores, _load_tokenizer, (vocabulary,)) as pool:
        num_tokens = _write_indexed(out / "train", pool.imap(_encode_document, documents_of(text), 25))
        pool.close()
        pool.join()
    return {**clock.facts(), "tokens": num_tokens}


class _Worker:
    tokenizer: Any


def _load_tokenizer(vocabulary: Path) -> None:
    from tokenizers import Tokenizer

    _Worker.tokenizer = Tokenizer.from_file(str(vocabulary / "tokenizer.json"))


def _encode_document(paragraphs: list[str]) -> list[list[int]]:
    from domainlm.text.sentences import split_sentences

    sentences = (paragraph[start:end] for paragraph in paragraphs for start, end in split_sentences(paragraph))
    return [_Worker.tokenizer.encode(sentence, add_special_tokens=False).ids for sentence in sentences]


def run_datasets(text: Path, vocabulary: Path, out: Path, cores: int) -> dict[str, Any]:
    """`Dataset.from_generator` and `map` in batches of 1,000 documents, then one pass that writes."""
    os.environ["HF_DATASETS_CACHE"] = str(out / "cache")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import datasets

    datasets.disable_progress_bars()
    clock = Clock()
    rows = datasets.Dataset.from_generator(_rows, gen_kwargs={"text": str(text)}, cache_dir=str(out / "cache"))
    encode = partial(_encode_rows, vocabulary=str(vocabulary / "tokenizer.json"))
    encoded = rows.map(encode, batched=True, num_proc=cores, remove_columns=["paragraphs"])
    num_tokens = _write_indexed(out / "train", (row["ids"] for row in encoded))
    return {**clock.facts(), "tokens": num_tokens}


def _write_indexed(prefix: Path, documents: Iterable[list[list[int]]]) -> int:
    """Write documents as they come, in one process, as both peers do; returns the number of tokens."""
    import numpy as np

    from domainlm.files import whole_file
    from domainlm.text.indexed import bin_path, idx_path, write_index

    dtype = np.dtype("<u2")
    lengths, sizes = array("i"), array("q")
    with whole_file(idx_path(prefix)) as index, whole_file(bin_path(prefix)) as ids:
        for sentences in documents:
            ids.write(np.array(list(chain.from_iterable(sentences)), np.int64).astype(dtype).tobytes())
            lengths.extend(map(len, sentences))
            sizes.append(len(sentences))
        write_index(index, dtype, lambda: iter([(np.array(lengths), np.array(sizes))]))
    return sum(lengths)


def _rows(text: str) -> Iterator[dict[str, list[str]]]:
    for paragraphs in documents_of(Path(text)):
        yield {"paragraphs": paragraphs}


def _encode_rows(batch: dict[str, list[list[str]]], vocabulary: str) -> dict[str, list[list[list[int]]]]:
    from tokenizers import Tokenizer

    from domainlm.text.sentences import split_sentences

    tokenizer = Tokenizer.from_file(vocabulary)
    ids = []
    for paragraphs in batch["paragraphs"]:
        sentences = [paragraph[start:end] for paragraph in paragraphs for start, end in split_sentences(paragraph)]
        ids.append([encoding.ids for encoding in tokenizer.encode_batch(sentences, add_special_tokens=False)])
    return {"ids": ids}


CONTENDERS: dict[str, Callable[[Path, Path, Path, int], dict[str, Any]]] = {
    "bare": run_bare,
    "domainlm": run_domainlm,
    "domainlm-near": partial(run_domainlm, near=True),
    "megatron": run_megatron,
    "datasets": run_datasets,
}


def write_text(source: Path | None, target: Path, megabytes: float) -> float:
    """Write a text of a size, repeating the source, or made-up text, as often as needed; returns its MB."""
    documents = list(documents_of(source)) if source is not None else list(_made_up())
    num_bytes = copy = 0
    with gzip.open(target, "wb", compresslevel=1) as stream:
        while num_bytes < megabytes * 1e6:
            copy += 1
            for number, paragraphs in enumerate(documents):
                lead = f"This is copy {copy} of document {number}.\n" if copy > 1 else ""
                num_bytes += stream.write((lead + "\n".join(paragraphs) + "\n\n").encode())
                if num_bytes >= megabytes * 1e6:
                    break
    return num_bytes / 1e6


def _made_up() -> Iterator[list[str]]:
    """Documents of invented words with Zipf's frequencies, cut into sentences and paragraphs."""
    import numpy as np

    generator = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = [
        "".join(letters[np.minimum(generator.geometric(0.12, size), 26) - 1])
        for size in generator.integers(2, 11, 60_000)
    ]
    num_bytes = 0
    while num_bytes < _SYNTHETIC_MEGABYTES * 1e6:
        paragraphs = []
        for _ in range(int(generator.integers(1, 6))):
            places = np.minimum(generator.zipf(1.15, int(generator.integers(40, 200))), len(words)) - 1
            text = [words[place] for place in places.tolist()]
            for end in range(17, len(text), 18):
                text[end] += "."
                text[end + 1 : end + 2] = [word.capitalize() for word in text[end + 1 : end + 2]]
            paragraphs.append(" ".join(text).capitalize() + ".")
        num_bytes += sum(map(len, paragraphs))
        yield paragraphs


def prepare_vocabulary(given: Path | None, text: Path, folder: Path) -> Path:
    """A folder with tokenizer.json: of the given vocabulary, or of 8,000 entries learned from the text."""
    from domainlm.vocab.vocabulary import Vocabulary

    folder.mkdir()
    if given is not None:
        Vocabulary.load(given).save(folder)
        return folder
    from tokenizers import BertWordPieceTokenizer

    learner = BertWordPieceTokenizer(lowercase=False)
    lines = chain.from_iterable(islice(documents_of(text), 2000))
    learner.train_from_iterator(lines, vocab_size=8000, show_progress=False)
    learner.save(str(folder / "tokenizer.json"))
    return folder


def report(machine: dict[str, Any], rows: list[dict[str, Any]], title: str) -> str:
    """A table for people."""
    lines = [
        f"# Preparing text, {machine['date']}",
        "",
        f"{title} {machine['cores']} cores of {machine['cpu']}; load {machine['load_at_start']} before the first run.",
        f"Python {machine['python']}, {', '.join(f'{name} {found}' for name, found in machine['packages'].items())}.",
        "`benchmarks/prepare_text.py` says what each contender does.",
        "",
        "| text, MB | contender | MB/s, median | lowest to highest | of `bare` | MB per CPU second | peak memory, MB |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        bare = next((r for r in rows if r["contender"] == "bare" and r["megabytes"] == row["megabytes"]), None)
        median = row["median_megabytes_per_second"]
        share = f"{median / bare['median_megabytes_per_second']:.0%}" if bare else ""
        spread = f"{row['lowest']:.2f} to {row['highest']:.2f}"
        lines.append(
            f"| {row['megabytes']:.0f} | {row['contender']} | {median:.2f} | {spread} | {share} "
            f"| {row['median_megabytes_per_cpu_second']:.2f} | {row['peak_megabytes']:,} |"
        )
    return "\n".join([*lines, "", "`bare` holds the whole text in memory; its peak is that of the text.", ""])


def panels(rows: list[dict[str, Any]]) -> list[Panel]:
    """Speed at each size."""
    bars: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        spread = {"median": row["median_megabytes_per_second"], "lowest": row["lowest"], "highest": row["highest"]}
        bars.setdefault(f"{row['megabytes']:.0f} MB of text", {})[row["contender"]] = spread
    return [Panel(title, "MB per second", found) for title, found in bars.items()]


def main() -> None:
    """Run all contenders in turns, or, as a child, one of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--text", type=Path, help=".txt.gz: a paragraph a line, a blank line between documents")
    parser.add_argument("--vocabulary", type=Path, help="vocab.txt or tokenizer.json; learned where not given")
    parser.add_argument("--sizes", type=float, nargs="+", default=[60.0], help="plain text in MB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--note", default="", help="what readers of the figures should know")
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--megabytes", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run is not None:
        with tempfile.TemporaryDirectory(dir=arguments.text.parent) as out:
            facts = CONTENDERS[arguments.run](arguments.text, arguments.vocabulary, Path(out), arguments.cores)
        print(json.dumps({"megabytes": arguments.megabytes, **facts}))
        return
    machine = machine_facts(_PACKAGES)
    contenders = [name for name in arguments.contenders if name != "datasets" or "datasets" in machine["packages"]]
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        first_vocabulary: Path | None = None
        for size in arguments.sizes:
            text = Path(folder) / f"text-{size:.0f}.txt.gz"
            megabytes = write_text(arguments.text, text, size)
            first_vocabulary = first_vocabulary or prepare_vocabulary(
                arguments.vocabulary, text, Path(folder) / "vocab"
            )
            options = ["--text", str(text), "--vocabulary", str(first_vocabulary), "--cores", str(arguments.cores)]
            for turn in range(arguments.runs):
                for name in contenders:
                    run = run_apart(Path(__file__), name, [*options, "--megabytes", str(megabytes)])
                    measured.append(run)
                    print(
                        f"{size:.0f} MB, turn {turn + 1}: {name} {run.megabytes / run.seconds:.2f} MB/s",
                        file=sys.stderr,
                    )
            text.unlink()
    groups: dict[tuple[float, str], list[Measured]] = {}
    for run in measured:
        groups.setdefault((run.megabytes, run.contender), []).append(run)
    rows = [summary(runs) for runs in groups.values()]
    source = "A real text, repeated." if arguments.text else "Made-up text, repeated."
    title = f"{source} {arguments.note}".strip()
    content = {"machine": machine, "note": arguments.note, "summary": rows, "runs": as_dicts(measured)}
    print(write_results("prepare-text", content, report(machine, rows, title), panels(rows)))


if __name__ == "__main__":
    main()
