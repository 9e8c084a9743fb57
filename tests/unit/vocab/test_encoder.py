from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer

from domainlm.text.corpus import normalise_sentence
from domainlm.vocab import encoder
from domainlm.vocab.encoder import BulkEncoder, load_encoder, parts_at_blanks
from domainlm.vocab.vocabulary import Vocabulary

_ENTRIES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "ship",
    "##s",
    "sail",
    "##ed",
    ",",
    ".",
    "a",
    "##b",
    "e",
]
_ENTRIES += ["\u00e9", "\u4e00", "##\u00e9", "(", ")", "S", "##hip"]


@pytest.fixture(scope="module", params=[True, False], ids=["cased", "uncased"])
def vocabulary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("".join(f"{entry}\n" for entry in _ENTRIES), encoding="utf-8")
    return Vocabulary.load(path, cased=request.param)


def _as_lists(encoded: list[bytes]) -> list[list[int]]:
    return [np.frombuffer(ids, "<u2").tolist() for ids in encoded]


_PIECES = [
    "the",
    "ship",
    "ships",
    "Ship",
    "sailed",
    ",",
    ".",
    " ",
    "  ",
    "caf\u00e9",
    "e\u0301",
    "\u4e00\u4e01",
    "[SEP]",
]
_PIECES += ["\u200b", "\u0301", "x" * 101, "\u0130", "\u1e9e", "\U0001f600", "\ufeff", "\x00", "\u00a0"]
_SENTENCES = st.lists(st.lists(st.sampled_from(_PIECES) | st.text(max_size=4)).map("".join), max_size=6)


@given(sentences=_SENTENCES)
@settings(deadline=None)
def test_ids_are_those_of_the_vocabulary(vocabulary: Vocabulary, sentences: list[str]) -> None:
    normalised = [normalise_sentence(sentence) for sentence in sentences]
    bulk = BulkEncoder(vocabulary, np.dtype("<u2"))
    for _ in range(2):  # the second time from memory
        assert _as_lists(bulk.encode(normalised)) == vocabulary.encode_batch(normalised)


def test_what_is_remembered_is_bounded(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "_MAX_REMEMBERED", 2)
    monkeypatch.setattr(encoder, "_RUNS_PER_TEXT", 3)
    bulk = BulkEncoder(vocabulary, np.dtype("<i4"))
    sentences = ["the ships sailed", "a ship , a sail .", "", "sailed sailed the"]
    for _ in range(2):
        encoded = [np.frombuffer(ids, "<i4").tolist() for ids in bulk.encode(sentences)]
        assert encoded == vocabulary.encode_batch(sentences)
        assert len(bulk._ids) == 2


def test_an_encoder_is_loaded_by_name(vocabulary: Vocabulary, tmp_path: Path) -> None:
    vocabulary.save(tmp_path)
    loaded = load_encoder(tmp_path, "<u2")
    assert _as_lists(loaded.encode(["The ships sailed."])) == vocabulary.encode_batch(["The ships sailed."])


@pytest.mark.parametrize(
    ("normalizer", "pre_tokenizer", "expected"),
    [
        ({"type": "BertNormalizer"}, {"type": "BertPreTokenizer"}, True),
        (None, {"type": "Whitespace"}, True),
        (
            {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
            {"type": "WhitespaceSplit"},
            True,
        ),
        (None, {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits"}]}, True),
        ({"type": "Prepend", "prepend": "x"}, {"type": "WhitespaceSplit"}, False),
        (None, {"type": "ByteLevel"}, False),
        (None, {"type": "Metaspace"}, False),
        (None, {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "WhitespaceSplit"}]}, False),
        (None, None, False),
    ],
)
def test_runs_are_read_by_themselves_where_that_is_known(
    normalizer: object, pre_tokenizer: object, expected: bool
) -> None:
    assert parts_at_blanks({"normalizer": normalizer, "pre_tokenizer": pre_tokenizer}) is expected


@pytest.mark.parametrize(
    ("token", "runs_alone"),
    [
        (AddedToken("the ship"), False),
        (AddedToken("sail", lstrip=True), False),
        (AddedToken("sail", rstrip=True), False),
        (AddedToken("\t", normalized=False), False),
        (AddedToken("hip", single_word=True), True),
        (AddedToken("\u4e00"), True),
        (AddedToken("[X]", lstrip=True, special=True), True),
    ],
    ids=repr,
)
def test_added_tokens_that_reach_over_blanks_are_found(
    vocabulary: Vocabulary, token: AddedToken, runs_alone: bool
) -> None:
    tokenizer = Tokenizer.from_str(json.dumps(vocabulary.description))
    add = tokenizer.add_special_tokens if token.special else tokenizer.add_tokens
    add([token])
    with_token = Vocabulary(tokenizer, where="test")
    assert parts_at_blanks(with_token.description) is runs_alone
    sentences = ["the ship sailed", "the ships", "ship the ship", "a sail , sail a", "hip ship", "the", "ship"]
    sentences += ["\u4e00 a\u4e00", "a [X] a", "a\tb"]
    bulk = BulkEncoder(with_token, np.dtype("<u2"))
    for _ in range(2):
        assert _as_lists(bulk.encode(sentences)) == with_token.encode_batch(sentences)
