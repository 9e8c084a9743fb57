"""Do readers survive damaged files: a clear error or a counted skip, never a crash, never a silently moved offset?"""

from __future__ import annotations

import html
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from domainlm.api import CorpusSpec, ProblemLog, RelationExample, SequenceExample, SpanExample, TaskSpec, TokenExample
from domainlm.errors import UserError
from domainlm.testing.corpora import check_document
from domainlm.testing.damage import DAMAGES, WITHIN, damage_json
from domainlm.testing.failure import CheckError
from domainlm.testing.tasks import check_examples

_MAX_DAMAGES = 3
Parts = Callable[[bytes], list[bytes]]


@dataclass(slots=True)
class SurvivalCounts:
    """What came of the damaged files.

    Attributes:
        num_files: how many were read.
        num_refused: those that ended with a clear error.
        num_counted: those that were read, and something was counted as left out or mended.
        num_clean: those that were read without a word: the damage left another sound file.
    """

    num_files: int = 0
    num_refused: int = 0
    num_counted: int = 0
    num_clean: int = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    records: list[Any]
    problems: ProblemLog
    refusal: UserError | None


def check_survival(
    spec: TaskSpec | CorpusSpec,
    files: Mapping[str, bytes],
    *,
    num_files: int = 300,
    seed: int = 0,
    states_mentions: bool = False,
    verify: Callable[[Any, Mapping[str, bytes]], None] | None = None,
) -> SurvivalCounts:
    """Read many damaged copies of a file, each damaged in one to three of the ways of `domainlm.testing.damage`.

    Each must be refused by a `UserError` that says where, or be read; what is read keeps all rules of its record, and
    is the same, as far as it goes, where the reader is told to skip bad input.

    Args:
        spec: whose reader is tried.
        files: contents by file name: the one that is read comes first, then those that the reader finds beside it.
        num_files: damaged copies.
        seed: decides the damage.
        states_mentions: whether the format says the text of each mention beside its offsets: then the text that a
            mention lies on must stand in the files twice at least, once in the text and once as the mention's.
        verify: raises where an example is not what the damaged files say; called with it and with their contents.

    Raises:
        CheckError: a rule is broken; names the damage, with which the file can be made again.
    """
    counts = SurvivalCounts()
    with TemporaryDirectory(prefix="domainlm-survival-") as name:
        for case in range(num_files):
            draw = random.Random(f"{seed}:{case}")  # noqa: S311 - nothing secret
            damaged, done = _damaged(draw, files)
            where = f"{spec.name}, damaged file {case} of seed {seed} ({', '.join(done)})"
            outcome = _read(spec, Path(name), damaged, where, skips=case % 2 == 1)
            _count(counts, outcome)
            _check_records(outcome.records, spec, where)
            if states_mentions:
                _check_stated(outcome.records, damaged, where)
            if verify is not None:
                for record in outcome.records:
                    verify(record, damaged)
            if case % 2 == 1:
                strict = _read(spec, Path(name), damaged, where, skips=False)
                if outcome.records[: len(strict.records)] != strict.records:
                    raise CheckError("skipping bad input changes what comes before it", where=where)
    return counts


def check_locality(
    spec: TaskSpec | CorpusSpec,
    files: Mapping[str, bytes],
    *,
    parts: Parts | str,
    num_files: int = 300,
    seed: int = 0,
) -> SurvivalCounts:
    """Damage one part of a file at a time: all other parts are read as before, and the part itself, or it is counted.

    Records are compared without their ids, which may count lines. A file may be refused as a whole.

    Args:
        spec: whose reader is tried.
        files: as for `check_survival`.
        parts: divides the file that is read into parts that do not depend on each other and, joined, are the file, as
            `lines_of` and `blocks_of` do; or, for a file that is one JSON value, the key under which the list of its
            parts is, "" where it is a list or an object of parts itself.
        num_files: damaged copies.
        seed: decides the damage.

    Raises:
        CheckError: a record of another part is missing, or this part is, and nothing was counted.
    """
    main = next(iter(files))
    pieces: Sequence[Any] = _json_parts(files[main], parts) if isinstance(parts, str) else parts(files[main])
    counts = SurvivalCounts()
    with TemporaryDirectory(prefix="domainlm-survival-") as name:
        folder = Path(name)

        def read(content: bytes, where: str) -> _Outcome:
            return _read(spec, folder, {**files, main: content}, where, skips=False)

        others: dict[int, Counter[str]] = {}
        for case in range(num_files):
            draw = random.Random(f"{seed}:{case}")  # noqa: S311 - nothing secret
            number = draw.randrange(len(pieces))
            where = f"{spec.name}, file {case} of seed {seed}, damaged in part {number}"
            if number not in others:
                rest = read(_joined([*pieces[:number], *pieces[number + 1 :]], files[main], parts), where)
                others[number] = _without_ids(rest.records)
            new, is_gone = _damaged_part(draw, pieces[number])
            outcome = read(_joined([*pieces[:number], new, *pieces[number + 1 :]], files[main], parts), where)
            _count(counts, outcome)
            if outcome.refusal is None:
                _compare(_without_ids(outcome.records), others[number], outcome.problems, where, is_gone=is_gone)
    return counts


def lines_of(content: bytes) -> list[bytes]:
    """Divide a file in which each line stands for itself: `parts` of `check_locality`."""
    return content.splitlines(keepends=True)


def blocks_of(content: bytes) -> list[bytes]:
    """Divide a file in which a blank line ends each part: `parts` of `check_locality`."""
    blocks = content.split(b"\n\n")
    return [block + b"\n\n" for block in blocks[:-1]] + ([blocks[-1]] if blocks[-1] else [])


def _damaged(draw: random.Random, files: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    damaged, done = dict(files), []
    for _ in range(draw.randint(1, _MAX_DAMAGES)):
        name, way = draw.choice(list(damaged)), draw.choice(list(DAMAGES))
        damaged[name] = DAMAGES[way](draw, damaged[name])
        done.append(f"{way} in {name}")
    return damaged, done


def _damaged_part(draw: random.Random, part: Any) -> tuple[Any, bool]:  # noqa: ANN401 - bytes or a JSON value
    """The part with one change inside it; and whether nothing is left of it that could be missed."""
    if not isinstance(part, bytes):
        new = (part[0], damage_json(draw, part[1])) if isinstance(part, tuple) else damage_json(draw, part)
        return new, json.dumps(new).count("[]") > json.dumps(part).count("[]")
    content = part.rstrip(b"\n")
    new = DAMAGES[draw.choice(WITHIN)](draw, content)
    return new + part[len(content) :], not new.strip()


def _read(
    spec: TaskSpec | CorpusSpec, folder: Path, contents: Mapping[str, bytes], where: str, *, skips: bool
) -> _Outcome:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    problems, records = ProblemLog(skip_bad_input=skips), list[Any]()
    try:
        records.extend(spec.read(folder / next(iter(contents)), problems))
    except UserError as error:
        if not error.where:
            raise CheckError("the error does not say where", where=where, given=str(error)) from error
        return _Outcome(records, problems, error)
    except Exception as error:
        raise CheckError(
            "the reader crashes", where=where, given=f"{type(error).__name__}: {error}", remedy="raise a DataError"
        ) from error
    return _Outcome(records, problems, None)


def _count(counts: SurvivalCounts, outcome: _Outcome) -> None:
    counts.num_files += 1
    if outcome.refusal is not None:
        counts.num_refused += 1
    elif outcome.problems.counts:
        counts.num_counted += 1
    else:
        counts.num_clean += 1


def _check_records(records: Sequence[Any], spec: TaskSpec | CorpusSpec, where: str) -> None:
    if isinstance(spec, CorpusSpec):
        for record in records:
            check_document(record, where, may_remove=spec.replaces)
    else:
        check_examples(records, replace(spec, types=()), where)  # damage may make another type, as a misprint does


def _check_stated(records: Iterable[Any], contents: Mapping[str, bytes], where: str) -> None:
    texts = [" ".join(_strings(content).split()) for content in contents.values()]
    for record in records:
        for mention in _mentions(record):
            shown = " ".join(mention.split())
            if sum(text.count(shown) for text in texts) < 2:
                raise CheckError("a mention lies on a text that no mention has", where=where, given=repr(shown))


def _mentions(record: object) -> list[str]:
    """The texts that the spans of a record lie on."""
    match record:
        case TokenExample():
            return [record.text[each.start : each.end] for each in record.entities]
        case RelationExample():
            return [record.text[each.start : each.end] for each in record.mentions]
        case SequenceExample():
            return [record.text[each.start : each.end] for each in record.markers]
        case SpanExample():
            return [record.context[each.start : each.end] for each in record.answers]
        case _:
            return []


def _strings(content: bytes) -> str:
    """All that a file says, without what JSON and XML put in place of letters."""
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))  # XML may be
    text = content.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")
    found: list[str] = []
    for part in [text, *text.split("\n")]:
        try:
            _gather(json.loads(part), found)
        except (ValueError, RecursionError):
            continue
    return "\n".join(found) if found else html.unescape(text)


def _gather(value: object, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, (list, dict)):
        for each in value if isinstance(value, list) else value.values():
            _gather(each, found)


def _without_ids(records: Iterable[Any]) -> Counter[str]:
    return Counter(repr(replace(record, id="", **_nameless(record))) for record in records)


def _nameless(record: object) -> dict[str, str]:
    return {"group": ""} if isinstance(record, (SequenceExample, SpanExample)) else {}


def _compare(found: Counter[str], others: Counter[str], problems: ProblemLog, where: str, *, is_gone: bool) -> None:
    missing = others - found
    if missing.total() > problems.counts.total():
        raise CheckError("records of other parts are missing, and not counted", where=where, given=next(iter(missing)))
    if found.total() <= others.total() and not problems.counts and not is_gone:
        raise CheckError("the damaged part is missing, and not counted", where=where)


def _json_parts(content: bytes, key: str) -> list[Any]:
    value = json.loads(content)
    listed = value[key] if key else value
    return list(listed.items()) if isinstance(listed, dict) else list(listed)


def _joined(parts: Sequence[Any], content: bytes, how: Parts | str) -> bytes:
    if not isinstance(how, str):
        return b"".join(parts)
    value = json.loads(content)
    listed: Any = dict(parts) if isinstance(value[how] if how else value, dict) else list(parts)
    return json.dumps({**value, how: listed} if how else listed).encode()
