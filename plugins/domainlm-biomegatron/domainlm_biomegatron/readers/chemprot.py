"""The official files of ChemProt (BioCreative VI): chemicals, genes and what the ones do to the others.

A split has four tab-separated files, of which a reader is given the first:

    chemprot_training_abstracts.tsv       PMID, title, abstract
    chemprot_training_entities.tsv        PMID, T1, type, start, end, text
    chemprot_training_relations.tsv       PMID, CPR:4, "Y " or "N ", INHIBITOR, Arg1:T1, Arg2:T2
    chemprot_training_gold_standard.tsv   PMID, CPR:4, Arg1:T1, Arg2:T2: the evaluated lines above, each once

Offsets are characters of title + one separator + abstract. The test files have "_gs" in their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domainlm.api import DataError, Mention, ProblemLog, Relation, RelationExample
from domainlm.reading import open_text

EVALUATED = ("CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9")
"""The groups of the task: activator, inhibitor, agonist, antagonist, substrate or product."""

_ARGUMENT = re.compile(r"Arg([12]):(T\d+)")
_TERM = re.compile(r"T\d+")
_PARTS = ("entities", "relations", "gold_standard")


@dataclass(slots=True)
class _Annotations:
    """What the other files say of one abstract."""

    mentions: list[tuple[Mention, str, int]] = field(default_factory=list)  # with the text, and the line
    relations: list[tuple[Relation, int]] = field(default_factory=list)


def companions(path: Path) -> tuple[Path, ...]:
    """The files that may lie beside one with abstracts, plain and `.gz`; none where its name is another one."""
    return tuple(path.with_name(name) for part in _PARTS for name in _names(path, part))


def read_chemprot(path: Path, problems: ProblemLog) -> Iterator[RelationExample]:
    """Stream the abstracts of a split with all mentions and the relations of the evaluated groups.

    The text is the title, a line break and the abstract. Relations come from the file of relations, or, where there
    is none, from the gold standard. Counted in `problems`, with file and line: lines that are none of the format's,
    mentions whose text is not at their offsets, relations of groups that are not evaluated, of mentions that are not
    there or of a mention with itself, lines that come again, and annotations of abstracts that are not there.

    Args:
        path: the file of abstracts, plain or `.gz`; the others are found beside it.
        problems: told of what is left out.

    Raises:
        DataError: a file is missing, empty, in another encoding, or none of ChemProt's.
    """
    annotations = _read_annotations(path, problems)
    seen: set[str] = set()
    for number, line in enumerate(open_text(path, problems), start=1):
        if not line.strip():
            continue
        row = line.split("\t")
        if len(row) != 3 or not row[0].isdecimal():
            problems.add("abstract line of no known kind", _shown(row), path=path, line=number)
            continue
        if row[0] in seen:
            problems.add("PMID again (the first abstract is kept)", f"PMID {row[0]}", path=path, line=number)
            continue
        seen.add(row[0])
        yield _document(row, annotations.pop(row[0], _Annotations()), path, problems)
    if not seen:
        raise DataError(
            "not ChemProt's abstracts",
            where=path,
            given=problems.summary() or None,
            allowed="lines of PMID, title and abstract, with tabs between",
        )
    for pmid in annotations:
        problems.add("annotations without their abstract", f"PMID {pmid}", path=path)


def _read_annotations(path: Path, problems: ProblemLog) -> dict[str, _Annotations]:
    annotations: dict[str, _Annotations] = {}
    entities = _beside(path, "entities")
    if entities is None:
        raise DataError(
            "no file of entities beside the abstracts",
            where=path,
            allowed=_names(path, "entities") or "a file that is named like chemprot_training_abstracts.tsv",
            remedy="keep the files of a split in one folder, under their official names",
        )
    _read_entities(entities, annotations, problems)
    relations = _beside(path, "relations")
    gold = _beside(path, "gold_standard")
    if relations is not None:
        _read_relations(relations, annotations, problems, column=4)
    elif gold is not None:
        _read_relations(gold, annotations, problems, column=2)
    else:
        raise DataError(
            "no file of relations beside the abstracts", where=path, allowed=list(_names(path, "relations"))
        )
    return annotations


def _read_entities(path: Path, annotations: dict[str, _Annotations], problems: ProblemLog) -> None:
    for number, line in enumerate(open_text(path, problems), start=1):
        row = line.split("\t")
        is_sound = len(row) == 6 and row[0].isdecimal() and _TERM.fullmatch(row[1]) and row[2] and row[5].strip()
        if not is_sound or not (_is_offset(row[3]) and _is_offset(row[4])):
            if line.strip():
                problems.add("malformed mention", _shown(row), path=path, line=number)
            continue
        mention = Mention(row[1], int(row[3]), int(row[4]), row[2])
        annotations.setdefault(row[0], _Annotations()).mentions.append((mention, row[5], number))


def _read_relations(path: Path, annotations: dict[str, _Annotations], problems: ProblemLog, *, column: int) -> None:
    """Read the lines of relations, or of a gold standard; `column` is that of the first argument."""
    for number, line in enumerate(open_text(path, problems), start=1):
        row = [cell.strip() for cell in line.split("\t")]
        arguments = [match for cell in row[column:] if (match := _ARGUMENT.fullmatch(cell)) is not None]
        is_sound = len(row) == column + 2 and row[0].isdecimal() and [each[1] for each in arguments] == ["1", "2"]
        if not is_sound:
            if line.strip():
                problems.add("malformed relation", _shown(row), path=path, line=number)
            continue
        if row[1] not in EVALUATED:
            problems.add("relation of a group that is not evaluated: counts as false", row[1], path=path, line=number)
            continue
        relation = Relation(arguments[0][2], arguments[1][2], row[1])
        annotations.setdefault(row[0], _Annotations()).relations.append((relation, number))


def _document(row: Sequence[str], annotations: _Annotations, path: Path, problems: ProblemLog) -> RelationExample:
    pmid, text = row[0], f"{row[1]}\n{row[2]}"
    mentions: dict[str, Mention] = {}
    for mention, surface, number in annotations.mentions:
        kept = _placed(mention, surface, text)
        if kept is None:
            found = text[mention.start : mention.end]
            detail = f"{surface!r} at {mention.start}-{mention.end}, where {found!r} is"
            problems.add("mention text differs", detail, path=f"{path.name}: {pmid} entities", line=number)
        elif mention.id in mentions:
            problems.add("mention id again", mention.id, path=f"{path.name}: {pmid} entities", line=number)
        else:
            mentions[mention.id] = kept
    relations: set[Relation] = set()
    for relation, number in annotations.relations:
        kind = _fault(relation, mentions, relations)
        if kind is None:
            relations.add(relation)
        else:
            detail = f"{relation.label} from {relation.first} to {relation.second}"
            problems.add(kind, detail, path=f"{path.name}: {pmid} relations", line=number)
    ordered = sorted(mentions.values(), key=lambda each: (each.start, each.end, each.type, each.id))
    return RelationExample(pmid, text, tuple(ordered), tuple(sorted(relations)))


def _placed(mention: Mention, surface: str, text: str) -> Mention | None:
    """The mention without blanks at its ends; None where its text is not at its offsets."""
    if not 0 <= mention.start < mention.end <= len(text) or text[mention.start : mention.end] != surface:
        return None
    start = mention.start + len(surface) - len(surface.lstrip())
    return Mention(mention.id, start, start + len(surface.strip()), mention.type)


def _fault(relation: Relation, mentions: dict[str, Mention], relations: set[Relation]) -> str | None:
    if relation.first == relation.second:
        return "relation of a mention with itself"
    if relation.first not in mentions or relation.second not in mentions:
        return "relation of a mention that is not there"
    return "relation again (merged)" if relation in relations else None


def _names(path: Path, part: str) -> tuple[str, ...]:
    """What the file of this part may be called, beside `path`."""
    name = path.name.removesuffix(".gz")
    if "abstracts" not in name:
        return ()
    plain = name.replace("abstracts", part)
    if part == "gold_standard":
        plain = plain.replace("gold_standard_gs", "gold_standard")
    return plain, f"{plain}.gz"


def _beside(path: Path, part: str) -> Path | None:
    return next((file for name in _names(path, part) if (file := path.with_name(name)).is_file()), None)


def _is_offset(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _shown(row: Sequence[str]) -> str:
    return repr("\t".join(row)[:80])
