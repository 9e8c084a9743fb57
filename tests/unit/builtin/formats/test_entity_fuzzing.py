"""Damaged files of every entity format: a clear error or a counted skip, never a crash, never a moved offset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, ProblemLog, TokenExample
from domainlm.builtin.formats.brat import read_brat
from domainlm.builtin.formats.conll import read_conll
from domainlm.builtin.formats.spans import read_spans_jsonl

Read = Callable[[Path, ProblemLog], Iterator[TokenExample]]

TEXT = "The Vega left Oslo.\nIt met the Orion of Dover on day 7.\n"
ANNOTATIONS = "T1\tship 4 8\tVega\nT2\tplace 14 18\tOslo\nT3\tship 31 36;40 45\tOrion Dover\nR1\tx Arg1:T1 Arg2:T2\n"
COLUMNS = "-DOCSTART- O\n\nThe\tO\nVega\tB-ship\nleft\tO\n\nOslo\tB-place\nharbour\tI-place\n.\tO\n"
RECORDS = "".join(
    json.dumps(
        {
            "id": number,
            "text": "The Vega left Oslo.",
            "entities": [{"start": 4, "end": 8, "type": "ship", "text": "Vega"}],
        }
    )
    + "\n"
    for number in range(3)
)
SNIPPETS = [
    b"\x00", b"\xff", b"\t", b"\n", b"\r", b"\xe2\x80\xa8", b" ", b"9" * 5000, b"-1", b";", b"T1\t", b"B-", b"I-",
    b"E-x", b"{", b"}", b"[", b'"', b"null", b"\\ud800", b"1e9", b"\xef\xbb\xbf", b"\xf0\x9f\x9a\xa2", b"[" * 3000,
    b"-DOCSTART-",
]  # fmt: skip
fuzzed = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damaged(draw: st.DrawFn, content: str) -> bytes:
    """Some places overwritten, cut out or filled in; maybe cut short."""
    text = bytearray(content.encode())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text)))
        kind = draw(st.sampled_from(["insert", "remove", "overwrite"]))
        piece = draw(st.one_of(st.sampled_from(SNIPPETS), st.binary(min_size=1, max_size=12)))
        text[place : place + (0 if kind == "insert" else len(piece))] = b"" if kind == "remove" else piece
    return bytes(text[: draw(st.one_of(st.none(), st.integers(0, len(text))))])


def _read(read: Read, path: Path) -> tuple[list[TokenExample], ProblemLog]:
    """What was read before the file was refused, if it was; every example is sound."""
    problems = ProblemLog()
    found: list[TokenExample] = []
    try:
        found.extend(read(path, problems))
    except DataError as error:
        assert error.where is not None  # noqa: PT017 - any other error fails the test
    for example in found:
        example.text.encode()
        place = 0
        for start, end in example.words:
            assert place <= start < end <= len(example.text)
            place = end
        for entity in example.entities:
            assert 0 <= entity.start < entity.end <= len(example.text)
            assert any(start < entity.end and entity.start < end for start, end in example.words)
    return found, problems


@fuzzed
@given(annotations=damaged(ANNOTATIONS), text=st.one_of(st.just(TEXT.encode()), damaged(TEXT)))
def test_brat(annotations: bytes, text: bytes, tmp_path: Path) -> None:
    (tmp_path / "log.ann").write_bytes(annotations)
    (tmp_path / "log.txt").write_bytes(text)
    found, problems = _read(read_brat, tmp_path / "log.ann")
    given_texts = {line.split("\t")[-1].strip() for line in annotations.decode(errors="replace").split("\n")}
    surfaces = [" ".join(each.text[e.start : e.end].splitlines()) for each in found for e in each.entities]
    moved = [surface for surface in surfaces if surface not in given_texts]
    assert len(moved) <= problems.counts["discontinuous mention: read as all from its first to its last character"]


@fuzzed
@given(content=damaged(COLUMNS))
def test_conll(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_bytes(content)
    _read(read_conll, path)


@fuzzed
@given(content=damaged(RECORDS))
def test_spans(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    found, _ = _read(read_spans_jsonl, path)
    surfaces = {each.text[e.start : e.end] for each in found for e in each.entities}
    decoded = content.decode(errors="replace")
    # A mention that carries its own text is where that text is; without the key, or escaped, it may be anywhere.
    if decoded.count('"text": "') == RECORDS.count('"text": "') and "\\" not in decoded:
        assert all(surface in decoded.replace("The Vega left Oslo.", "") for surface in surfaces)
