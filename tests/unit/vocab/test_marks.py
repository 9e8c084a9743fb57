"""Tokenisers of other programs: which are read, and how their entries tell where words begin."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from domainlm.errors import VocabularyError
from domainlm.vocab.vocabulary import Vocabulary

_PIECES = ["\u2581ship", "s", "\u2581", "sail", "\u2581sail", ",", "\u2581the"]
_BERT_NAMES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_OWN_NAMES = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]


def _sentencepiece(names: list[str]) -> Tokenizer:
    """As converters write SentencePiece models: control symbols are entries of the model itself."""
    entries = [(name, 0.0) for name in names] + [(piece, -2.0 - place) for place, piece in enumerate(_PIECES)]
    tokenizer = Tokenizer(models.Unigram(entries, unk_id=1))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in names])
    return tokenizer


def _load(tokenizer: Tokenizer, folder: Path) -> Vocabulary:
    tokenizer.save(str(folder / "tokenizer.json"))
    return Vocabulary.load(folder)


@pytest.mark.parametrize("names", [_BERT_NAMES, _OWN_NAMES], ids=["BERT's names", "SentencePiece's names"])
def test_a_sentencepiece_file_is_read(names: list[str], tmp_path: Path) -> None:
    vocabulary = _load(_sentencepiece(names), tmp_path)
    assert (vocabulary.kind, vocabulary.size, vocabulary.cased) == ("unigram", 12, True)
    assert (vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id, vocabulary.sep_id, vocabulary.mask_id) == (
        (0, 1, 2, 3, 4)
    )
    (ids,) = vocabulary.encode_batch(["the ships, sails"])
    assert vocabulary.tokens(ids) == ["\u2581the", "\u2581ship", "s", ",", "\u2581sail", "s"]
    assert [vocabulary.is_continuation[number] for number in ids] == [False, False, True, True, False, True]
    assert [str(vocabulary.pieces[number]) for number in ids] == ["the", "ship", "##s", "##,", "sail", "##s"]
    (tmp_path / "out").mkdir()
    vocabulary.save(tmp_path / "out")
    assert Vocabulary.load(tmp_path / "out").digest == vocabulary.digest


def test_no_text_becomes_a_special_token_of_a_sentencepiece_file(tmp_path: Path) -> None:
    tokenizer = _sentencepiece(_BERT_NAMES)
    vocabulary = _load(tokenizer, tmp_path)
    for ids, _ in vocabulary.encode_with_spans(["the [MASK] [CLS]ship"]):
        assert not set(ids) & set(vocabulary.special_ids) - {vocabulary.unk_id}
    (ids,) = vocabulary.encode_words(["[SEP]"])
    assert vocabulary.sep_id not in ids


@pytest.mark.parametrize(
    "pre_tokenizer",
    [
        pre_tokenizers.Metaspace(prepend_scheme="never"),
        pre_tokenizers.WhitespaceSplit(),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ],
    ids=["no mark before the first word", "no marks", "no blank before the first word"],
)
def test_entries_must_tell_where_words_begin(pre_tokenizer: pre_tokenizers.PreTokenizer, tmp_path: Path) -> None:
    tokenizer = _sentencepiece(_BERT_NAMES)
    tokenizer.pre_tokenizer = pre_tokenizer
    with pytest.raises(VocabularyError, match="do not tell where words begin"):
        _load(tokenizer, tmp_path)


def test_marks_put_by_a_normaliser_are_found(tmp_path: Path) -> None:
    tokenizer = _sentencepiece(_BERT_NAMES)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.pre_tokenizer = None
    vocabulary = _load(tokenizer, tmp_path)
    assert vocabulary.tokens(vocabulary.encode_batch(["the ships"])[0]) == ["\u2581the", "\u2581ship", "s"]


def test_bpe_with_a_continuation_prefix_is_read(tmp_path: Path) -> None:
    entries = [*_BERT_NAMES, "s", "##h", "##i", "sh", "##p"]
    model = models.BPE(
        vocab={entry: number for number, entry in enumerate(entries)},
        merges=[("s", "##h")],
        unk_token="[UNK]",  # noqa: S106
        continuing_subword_prefix="##",
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(_BERT_NAMES)
    vocabulary = _load(tokenizer, tmp_path)
    (ids,) = vocabulary.encode_batch(["ship"])
    assert [str(vocabulary.pieces[number]) for number in ids] == ["sh", "##i", "##p"]


def test_bytes_are_shown_as_text(tmp_path: Path) -> None:
    entries = [*_BERT_NAMES, "\u0120", "\u00c3", "\u00a9", "\u0120\u00c3\u00a9", "\u00c3\u00a9"]
    model = models.BPE(vocab={entry: number for number, entry in enumerate(entries)}, merges=[])
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)
    tokenizer.add_special_tokens(_BERT_NAMES)
    vocabulary = _load(tokenizer, tmp_path)
    assert [str(piece) for piece in vocabulary.pieces[5:]] == ["", "##\\xc3", "##\\xa9", "\u00e9", "##\u00e9"]
