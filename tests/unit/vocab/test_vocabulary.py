from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from domainlm.errors import VocabularyError
from domainlm.vocab.vocabulary import Vocabulary

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_CASED = [
    "##ing",
    "Sail",
    "sail",
    *reversed(_SPECIAL),
    "##s",
    "ship",
    "ing",
    ".",
    "[",
    "]",
    "caf\u00e9",
    "#",
    "###",
    "##",
]


def _write(folder: Path, entries: list[str], name: str = "vocab.txt") -> Path:
    path = folder / name
    path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    return path


@pytest.fixture
def cased(tmp_path: Path) -> Vocabulary:
    return Vocabulary.load(_write(tmp_path, _CASED))


def test_special_tokens_are_found_by_name(cased: Vocabulary) -> None:
    assert (cased.pad_id, cased.unk_id, cased.cls_id, cased.sep_id, cased.mask_id) == (7, 6, 5, 4, 3)
    assert cased.special_ids == (3, 4, 5, 6, 7)
    assert cased.size == len(_CASED)


def test_continuations_are_marked(cased: Vocabulary) -> None:
    marked = [entry for entry, goes_on in zip(_CASED, cased.is_continuation, strict=True) if goes_on]
    assert marked == ["##ing", "##s", "###"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("sailing ships.", ["sail", "##ing", "ship", "##s", "."]),
        ("Sails\tcaf\u00e9", ["Sail", "##s", "caf\u00e9"]),
        ("oar", ["[UNK]"]),
        ("##", ["#", "#"]),
        ("", []),
        ("[MASK][SEP]", ["[", "[UNK]", "]", "[", "[UNK]", "]"]),  # no text becomes a special token
    ],
)
def test_text_is_encoded(cased: Vocabulary, text: str, tokens: list[str]) -> None:
    assert [cased.tokens(ids) for ids in cased.encode_batch([text, "sail"])] == [tokens, ["sail"]]


def test_no_word_is_lost(cased: Vocabulary) -> None:
    words = ["sails", "\x00", "ship.", "", "sails", " "]
    encoded = [cased.tokens(ids) for ids in cased.encode_words(words)]
    assert encoded == [["sail", "##s"], ["[UNK]"], ["ship", "."], ["[UNK]"], ["sail", "##s"], ["[UNK]"]]
    assert cased.encode_words([]) == []


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    entries = [*_SPECIAL, *"abcde.", *(f"##{letter}" for letter in "abcde")]
    return Vocabulary.load(_write(tmp_path_factory.mktemp("letters"), entries), cased=True)


@given(words=st.lists(st.text(max_size=8), max_size=8))
def test_words_are_encoded_each_by_itself(letters: Vocabulary, words: list[str]) -> None:
    encoded = letters.encode_words(words)
    assert encoded == [letters.encode_words([word])[0] for word in words]
    assert all(encoded)


@pytest.mark.parametrize(
    ("entries", "cased"),
    [
        (["Ship", "sail"], True),
        (["ship", "sail", "[unused1]", "[X]"], False),
        (["ship", "\u00c9mile"], True),
        ([f"w{number}" for number in range(300)] + ["##TM"], False),  # a stray capital
    ],
)
def test_casing_is_judged_from_the_entries_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, entries: list[str], cased: bool
) -> None:
    path = _write(tmp_path, [*_SPECIAL, *entries])
    with caplog.at_level(logging.INFO):
        assert Vocabulary.load(path).cased is cased
    assert f"taken to be {'cased' if cased else 'uncased'}" in caplog.text
    assert Vocabulary.load(path, cased=not cased).cased is not cased


def test_uncased_text_loses_capitals_and_accents(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(_write(tmp_path, [*_SPECIAL, "cafe", "ship"]))
    assert vocabulary.tokens(vocabulary.encode_batch(["CAF\u00c9 Ship"])[0]) == ["cafe", "ship"]


def test_what_is_saved_is_loaded(cased: Vocabulary, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    cased.save(folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == {"tokenizer.json", "vocab.txt"}
    assert first["vocab.txt"] == (tmp_path / "vocab.txt").read_bytes()
    assert cased.digest == hashlib.sha256(first["tokenizer.json"]).hexdigest()
    for path in (folder, folder / "tokenizer.json"):
        again = Vocabulary.load(path)
        assert again.digest == cased.digest
        assert (again.cased, again.special_ids, again.is_continuation) == (
            True,
            cased.special_ids,
            cased.is_continuation,
        )
    again.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"strip_accents": False}, "accents"),
        ({"handle_chinese_chars": False}, "ideographs"),
        ({}, r"none is \[PAD\]"),
    ],
)
def test_what_a_list_cannot_say_is_not_written_as_one(tmp_path: Path, change: dict[str, bool], reason: str) -> None:
    text = json.dumps(Vocabulary.load(_write(tmp_path, [*_SPECIAL, "f\u00fcr"]), cased=False).description)
    description = json.loads(text if change else text.replace("[PAD]", "<pad>"))
    description["normalizer"] |= change
    vocabulary = Vocabulary(Tokenizer.from_str(json.dumps(description)), where="test")
    with pytest.raises(VocabularyError, match=f"a vocab.txt cannot hold this vocabulary: .*{reason}"):
        vocabulary.save_entries(tmp_path / "list.txt")
    folder = tmp_path / "saved"
    folder.mkdir()
    vocabulary.save(folder)
    assert [path.name for path in folder.iterdir()] == ["tokenizer.json"]
    assert Vocabulary.load(folder).digest == vocabulary.digest


def test_a_folder_with_a_vocab_txt_alone_is_read(tmp_path: Path) -> None:
    _write(tmp_path, _CASED)
    assert Vocabulary.load(tmp_path).size == len(_CASED)


def test_windows_line_ends_and_a_mark_are_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{entry}\r\n" for entry in _CASED).encode())
    assert Vocabulary.load(path).tokens(range(len(_CASED))) == _CASED


def test_a_file_that_cuts_or_pads_texts_does_so_no_more(cased: Vocabulary, tmp_path: Path) -> None:
    cased.save(tmp_path)
    description = json.loads((tmp_path / "tokenizer.json").read_text())
    description["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    description["padding"] = {
        "strategy": {"Fixed": 9},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 7,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    loaded = Vocabulary.load(tmp_path)
    assert loaded.encode_batch(["sail sail sail"]) == [[2, 2, 2]]
    assert loaded.digest == cased.digest


def test_a_tokenizer_json_says_itself_whether_it_is_cased(cased: Vocabulary, tmp_path: Path) -> None:
    cased.save(tmp_path)
    assert Vocabulary.load(tmp_path, cased=True).cased
    with pytest.raises(VocabularyError, match="is cased, and uncased was asked for"):
        Vocabulary.load(tmp_path, cased=False)


def test_lower_casing_by_another_step_is_seen(cased: Vocabulary, tmp_path: Path) -> None:
    cased.save(tmp_path)
    description = json.loads((tmp_path / "tokenizer.json").read_text())
    description["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    assert not Vocabulary.load(tmp_path).cased


@pytest.mark.parametrize("missing", _SPECIAL)
def test_a_vocabulary_needs_the_special_tokens(tmp_path: Path, missing: str) -> None:
    with pytest.raises(VocabularyError, match=rf"lacks the special tokens \{missing}"):
        Vocabulary.load(_write(tmp_path, [entry for entry in [*_SPECIAL, "a"] if entry != missing]))


def test_a_tokenizer_json_needs_them_too(cased: Vocabulary, tmp_path: Path) -> None:
    cased.save(tmp_path)
    content = (tmp_path / "tokenizer.json").read_text().replace("[MASK]", "[BLANK]")
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(VocabularyError, match=r"lacks the special token \[MASK\]"):
        Vocabulary.load(tmp_path)


def test_an_entry_that_stands_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = _write(tmp_path, [*_SPECIAL, "ship", "sail", "ship"])
    with pytest.raises(VocabularyError, match=r"vocab\.txt:8: 'ship' is also on line 6"):
        Vocabulary.load(path)


def test_an_empty_entry_keeps_its_number(tmp_path: Path) -> None:  # SciBERT's vocabulary has one
    vocabulary = Vocabulary.load(_write(tmp_path, [*_SPECIAL, "ship", "", "sail"]))
    assert vocabulary.encode_batch(["sail"]) == [[7]]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("vocab.txt", b"", "is empty"),
        ("vocab.txt", b"\n \n", "is empty"),
        ("tokenizer.json", b"", "is empty"),
        ("vocab.txt", b"[PAD]\n\xe4\n", "not UTF-8 at byte 6 "),
        ("tokenizer.json", b'{"version": "1.0"', "not a tokenizer.json"),
        ("tokenizer.json", b'{"a": 1}', "not a tokenizer.json"),
        ("vocab.txt", b"ship\nsail\n", "lacks the special tokens"),
        ("vocab.txt", b'{"version": "1.0"}', "lacks the special tokens"),
    ],
)
def test_files_that_are_no_vocabulary_are_refused(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VocabularyError, match=problem):
        Vocabulary.load(path)


def test_other_models_are_refused(cased: Vocabulary, tmp_path: Path) -> None:
    cased.save(tmp_path)
    description = json.loads((tmp_path / "tokenizer.json").read_text())
    description["model"] = {"type": "WordLevel", "vocab": description["model"]["vocab"], "unk_token": "[UNK]"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(VocabularyError, match="not a subword vocabulary"):
        Vocabulary.load(tmp_path)


def test_gaps_in_the_ids_are_refused(cased: Vocabulary, tmp_path: Path) -> None:
    cased.save(tmp_path)
    description = json.loads((tmp_path / "tokenizer.json").read_text())
    description["model"]["vocab"]["ship"] = 99
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(VocabularyError, match="have gaps"):
        Vocabulary.load(tmp_path)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match="no such file"):
        Vocabulary.load(tmp_path / "nothing.txt")
    with pytest.raises(VocabularyError, match="no vocabulary in the folder"):
        Vocabulary.load(tmp_path)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "size", "cased", "special_ids"),
    [  # sizes and ids as the data sets' own description states them
        ("bert-base-cased-vocab.txt", 28_996, True, (0, 100, 101, 102, 103)),
        ("bert-base-uncased-vocab.txt", 30_522, False, (0, 100, 101, 102, 103)),
        ("scibert-scivocab-uncased-vocab.txt", 31_090, False, (0, 101, 102, 103, 104)),
        ("bioelectra-pmc2017-wordpiece-vocab.txt", 31_620, True, (0, 1, 2, 3, 4)),
    ],
)
def test_published_vocabularies_are_read(
    data_dir: Path, tmp_path: Path, name: str, size: int, cased: bool, special_ids: tuple[int, ...]
) -> None:
    vocabulary = Vocabulary.load(data_dir / "vocab" / name)
    assert (vocabulary.size, vocabulary.cased, vocabulary.special_ids) == (size, cased, special_ids)
    vocabulary.save(tmp_path)
    assert Vocabulary.load(tmp_path).digest == vocabulary.digest
