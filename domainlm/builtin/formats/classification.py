r"""Texts, or pairs of texts, with one label each: tab-separated columns, or a JSON object a line.

    text<TAB>label                                     The Vega is late.<TAB>complaint
    text<TAB>second_text<TAB>label                     Where is she?<TAB>The Vega lies at Oslo.<TAB>answer

    {"id": "log-17", "text": "The Vega is late.", "label": "complaint"}

Columns come in the order above, unless the first line names them; then "id" and "group" are known as well, and what
else there is, is passed over. A tab ends a column, whatever quotation marks there are: a first line of quoted names is
refused, quoted labels are counted, and so is a first line that looks like one of other names. In JSON lines, "markers"
may hold up to two spans of the text that the label is about, as {"start", "end", "type"}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from domainlm.api import DataError, Entity, ProblemLog, SequenceExample
from domainlm.builtin.formats.ids import UniqueIds
from domainlm.builtin.formats.names import file_stem
from domainlm.builtin.formats.records import Record, id_of, is_encodable, read_records, text_of
from domainlm.builtin.formats.spans import read_entity
from domainlm.text.files import open_text

_COLUMNS = {
    "id": "id", "index": "id", "group": "group", "label": "label", "gold_label": "label",
    "text": "text", "text1": "text", "sentence": "text", "sentence1": "text",
    "second_text": "second_text", "text2": "second_text", "sentence2": "second_text",
}  # fmt: skip
"""Names that a first line may give, GLUE's among them, and what they stand for."""
_WITHOUT_HEADER = {2: ("text", "label"), 3: ("text", "second_text", "label")}
_MAX_MARKERS = 2
_ALONE = (
    "first line with a label that no other has (names of the columns? Known are text, second_text, label, id, group)"
)


def read_classification_tsv(path: Path, problems: ProblemLog) -> Iterator[SequenceExample]:
    """Stream the examples of one file; one without an id is "FILE_STEM:line".

    Args:
        path: the file, plain or `.gz`.
        problems: told of lines left out (other numbers of columns, no text, no label), of ids given twice, of labels
            in quotation marks, and of a first line that may name the columns.

    Raises:
        DataError: the file cannot be read, has neither two nor three columns nor a first line that names them, or
            one that does so in quotation marks, or holds no example.
    """
    ids = UniqueIds(path, problems)
    stem = file_stem(path)
    columns: tuple[str, ...] = ()
    is_header, first, labels = False, ("", 0), Counter[str]()
    for line, content in enumerate(open_text(path, problems), 1):
        if not content.strip():
            continue
        cells = content.split("\t")
        if not columns:
            columns, is_header = _columns(cells, path, line)
            if is_header:
                continue
        if len(cells) != len(columns):
            detail = f"{len(cells)} where {len(columns)} are expected, left out"
            problems.add("other number of columns", detail, path=path, line=line)
            continue
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if name}
        if not row["text"] or not row["label"]:
            kind = "empty label" if row["text"] else "empty text"
            problems.add(kind, "line left out", path=path, line=line)
            continue
        name = ids.unique(row.get("id") or f"{stem}:{line}", line)
        second = row.get("second_text")
        if row["label"] != _unquoted(row["label"]):
            problems.add("label in quotation marks (taken with them)", row["label"], path=path, line=line)
        labels[row["label"]] += 1
        first = first if first[1] else (row["label"], line)
        yield SequenceExample(name, row["text"], row["label"], second, group=row.get("group", ""))
    if not ids:
        raise DataError("no example", where=path, given=problems.summary() or None, allowed="text<TAB>label in a line")
    if not is_header and labels[first[0]] == 1 and max(labels.values()) > 1:
        problems.add(_ALONE, first[0], path=path, line=first[1])


def read_classification_jsonl(path: Path, problems: ProblemLog) -> Iterator[SequenceExample]:
    """Stream the examples of one file; one without an id is "FILE_STEM:line".

    Args:
        path: the file, plain or `.gz`.
        problems: told of lines and markers left out, and of ids given twice.

    Raises:
        DataError: the file cannot be read, or holds no example.
    """
    ids = UniqueIds(path, problems)
    stem = file_stem(path)
    for line, record in read_records(path, problems):
        text = text_of(record, path, line, problems)
        if text is None:
            continue
        label, second = _label_of(record), record.get("second_text")
        if label is None:
            problems.add('record without a "label"', f"{record.get('label')!r}, left out", path=path, line=line)
            continue
        if second is not None and not (isinstance(second, str) and is_encodable(second)):
            problems.add('"second_text" is no text', "record left out", path=path, line=line)
            continue
        markers = _markers(record, text, path, line, problems)
        if markers is None:
            continue
        group = record.get("group")
        name = ids.unique(id_of(record, f"{stem}:{line}"), line)
        yield SequenceExample(name, text, label, second, markers, group if isinstance(group, str) else "")
    if not ids:
        raise DataError(
            "no record with a text and a label",
            where=path,
            given=problems.summary() or None,
            allowed='{"text": "...", "label": "..."} in each line',
        )


def _columns(cells: Sequence[str], path: Path, line: int) -> tuple[tuple[str, ...], bool]:
    """What each column holds, "" for what is passed over; and whether it is this line that says so."""
    named = _named(cells)
    if not _names_needed(named) and _names_needed(_named([_unquoted(cell.strip()) for cell in cells])):
        raise DataError(
            "quotation marks around the names of the columns: they would be part of every text and label, too",
            where=f"{path}:{line}",
            given=" ".join(cells),
            allowed="columns with tabs between, without quotation marks",
            remedy='write the file without them; in R: write.table(..., sep = "\\t", quote = FALSE, row.names = FALSE)',
        )
    if _names_needed(named):
        given = [name for name in named if name]
        if len(set(given)) < len(given):
            raise DataError("two columns of one meaning", where=f"{path}:{line}", given=", ".join(cells))
        return named, True
    try:
        return _WITHOUT_HEADER[len(cells)], False
    except KeyError:
        raise DataError(
            "columns without names",
            where=f"{path}:{line}",
            given=f"{len(cells)} columns",
            allowed="text<TAB>label, text<TAB>second_text<TAB>label, or a first line that names the columns",
            remedy="name the columns in the first line: id, text, second_text, label, group",
        ) from None


def _named(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(_COLUMNS.get(cell.strip().casefold(), "") for cell in cells)


def _names_needed(named: Sequence[str]) -> bool:
    return "text" in named and "label" in named


def _unquoted(cell: str) -> str:
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _label_of(record: Mapping[str, object]) -> str | None:
    label = record.get("label")
    if isinstance(label, (int, bool)):
        return str(label)
    return label.strip() if isinstance(label, str) and label.strip() and is_encodable(label) else None


def _markers(record: Record, text: str, path: Path, line: int, problems: ProblemLog) -> tuple[Entity, ...] | None:
    """The record's markers; None, and a count, where one of them is not sound: an example is about all of them."""
    listed = record.get("markers", [])
    if not isinstance(listed, list) or len(listed) > _MAX_MARKERS:
        problems.add('"markers" is no list of at most two', "record left out", path=path, line=line)
        return None
    found = tuple(entity for entry in listed if (entity := read_entity(entry, text, path, line, problems)))
    return found if len(found) == len(listed) else None
