"""What WordPiece, BPE and Unigram vocabularies have in common."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.errors import VocabularyError
from domainlm.text.files import open_text
from domainlm.text.words import split_words
from domainlm.vocab.bert import SPECIAL_TOKENS
from domainlm.vocab.bpe import learn_bpe
from domainlm.vocab.encoder import BulkEncoder
from domainlm.vocab.learn import learn_wordpiece, learner_of
from domainlm.vocab.unigram import learn_unigram
from domainlm.vocab.vocabulary import Vocabulary

Learned = Callable[[str], Vocabulary]
_LEARNERS = {"wordpiece": learn_wordpiece, "bpe": learn_bpe, "unigram": learn_unigram}
_KINDS = tuple(_LEARNERS)
every_kind = pytest.mark.parametrize("kind", _KINDS)
_TEXTS = st.text(st.sampled_from("shipsailed NT3.,-caf\u00e9\u03b2 \u4e00"), max_size=30)


@every_kind
def test_size_kind_and_special_tokens_are_as_asked(kind: str, learned: Learned) -> None:
    vocabulary = learned(kind)
    assert (vocabulary.kind, vocabulary.size, vocabulary.cased) == (kind, 330, True)
    assert vocabulary.tokens(range(5)) == list(SPECIAL_TOKENS)
    assert vocabulary.special_ids == (0, 1, 2, 3, 4)
    ids = (vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id, vocabulary.sep_id, vocabulary.mask_id)
    assert ids == (0, 1, 2, 3, 4)
    assert not any(vocabulary.is_continuation[:5])


@every_kind
@settings(deadline=None, max_examples=60)
@given(text=_TEXTS)
def test_sub_tokens_tell_where_words_begin(kind: str, learned: Learned, text: str) -> None:
    """The sub-tokens of a text are those of its words, and exactly the first of each word begins one."""
    vocabulary = learned(kind)
    words = [text[start:end] for start, end in split_words(text)]
    by_word = vocabulary.encode_words(words)
    (ids,) = vocabulary.encode_batch([text])
    assert ids == [number for word in by_word for number in word]
    for word in by_word:
        if vocabulary.unk_id not in word:
            assert [vocabulary.is_continuation[number] for number in word] == [False] + [True] * (len(word) - 1)


@every_kind
@settings(deadline=None, max_examples=60)
@given(word=st.text("shipsaledNT3caf\u00e9", min_size=1, max_size=12))
def test_pieces_write_the_word(kind: str, learned: Learned, word: str) -> None:
    vocabulary = learned(kind)
    (ids,) = vocabulary.encode_words([word])
    pieces = [vocabulary.pieces[number] for number in ids]
    if vocabulary.unk_id not in ids and not any("\\x" in piece.text for piece in pieces):
        assert "".join(piece.text for piece in pieces).replace("\u2581", "").replace("\u0120", "") == word


@every_kind
def test_frequent_words_are_entries(kind: str, learned: Learned) -> None:
    vocabulary = learned(kind)
    for word in ("the", "ship", "harbour", "caf\u00e9", ",", "."):
        (ids,) = vocabulary.encode_words([word])
        assert [tuple(vocabulary.pieces[number]) for number in ids] == [(word, False)]


@every_kind
@settings(deadline=None, max_examples=40)
@given(texts=st.lists(_TEXTS.map(lambda text: " ".join(text.split())), max_size=5))
def test_much_text_is_encoded_to_the_same_ids(kind: str, learned: Learned, texts: list[str]) -> None:
    vocabulary = learned(kind)
    encoded = BulkEncoder(vocabulary, np.dtype("<u2")).encode(texts)
    assert [np.frombuffer(ids, "<u2").tolist() for ids in encoded] == vocabulary.encode_batch(texts)


@every_kind
def test_special_tokens_in_a_text_are_text(kind: str, learned: Learned) -> None:
    vocabulary = learned(kind)
    (ids,) = vocabulary.encode_batch(["[MASK] [PAD][CLS]"])
    assert not set(ids) & set(vocabulary.special_ids) - {vocabulary.unk_id}


@every_kind
def test_an_uncased_vocabulary_merges_capitals_and_accents(kind: str, log_lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(_LEARNERS[kind](log_lines, VocabularySettings(size=300, cased=False)), encoding="utf-8")
    vocabulary = Vocabulary.load(path)
    assert not vocabulary.cased
    assert vocabulary.encode_batch(["CAF\u00c9 Ship"]) == vocabulary.encode_batch(["cafe ship"])


@every_kind
def test_what_is_saved_is_loaded(kind: str, learned: Learned, tmp_path: Path) -> None:
    vocabulary = learned(kind)
    vocabulary.save(tmp_path)
    again = Vocabulary.load(tmp_path)
    assert again.digest == vocabulary.digest
    assert again.is_continuation == vocabulary.is_continuation
    assert (tmp_path / "vocab.txt").exists() == (kind == "wordpiece")


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocab_txt_holds_wordpiece_alone(kind: str, learned: Learned, tmp_path: Path) -> None:
    vocabulary = learned(kind)
    with pytest.raises(VocabularyError, match=r"a vocab\.txt cannot hold this vocabulary"):
        vocabulary.save_entries(tmp_path / "vocab.txt")
    entries = vocabulary.tokens(range(vocabulary.size))
    (tmp_path / "list.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    with pytest.raises(VocabularyError, match="which need more than a list"):
        Vocabulary.load(tmp_path / "list.txt")


@every_kind
@pytest.mark.parametrize("min_frequency", [1, 3])
def test_a_corpus_that_is_too_small_says_how_many_entries_it_gives(
    kind: str, min_frequency: int, log_lines: list[str], tmp_path: Path
) -> None:
    lines = log_lines[:30]
    with pytest.raises(VocabularyError, match="gives only") as caught:
        _LEARNERS[kind](lines, VocabularySettings(size=10**12, cased=True, min_frequency=min_frequency))
    num_given = int(str(caught.value.allowed).split()[2].replace(",", ""))
    largest = VocabularySettings(size=num_given, cased=True, min_frequency=min_frequency)
    path = tmp_path / "tokenizer.json"
    path.write_text(_LEARNERS[kind](lines, largest), encoding="utf-8")
    assert Vocabulary.load(path).size == num_given


@every_kind
def test_a_vocabulary_below_its_alphabet_says_what_it_needs(kind: str, log_lines: list[str]) -> None:
    with pytest.raises(VocabularyError, match="smaller than the alphabet"):
        _LEARNERS[kind](log_lines, VocabularySettings(size=20, cased=True))


@every_kind
def test_no_text_gives_no_vocabulary(kind: str) -> None:
    with pytest.raises(VocabularyError):
        _LEARNERS[kind]([], VocabularySettings(size=1000, cased=True))


@every_kind
def test_pieces_more_frequent_than_any_are_refused(kind: str, log_lines: list[str]) -> None:
    with pytest.raises(VocabularyError, match="gives only"):
        _LEARNERS[kind](log_lines, VocabularySettings(size=1000, cased=True, min_frequency=10**20))


@every_kind
def test_the_order_of_the_sentences_does_not_matter(kind: str, log_lines: list[str]) -> None:
    wanted = VocabularySettings(size=330, cased=True)
    assert _LEARNERS[kind](log_lines[::-1], wanted) == _LEARNERS[kind](log_lines, wanted)


def test_a_spec_names_its_learner() -> None:
    def learn(*_: object) -> str:
        return "{}"

    for kind, learner in _LEARNERS.items():
        assert learner_of(VocabularySpec(name="a/b", description="c", algorithm=kind)) is learner  # type: ignore[arg-type]
    own = learner_of(VocabularySpec(name="a/b", description="c", algorithm="custom", learn=learn))
    assert own(iter(()), VocabularySettings(size=10, cased=True)) == "{}"
    with pytest.raises(VocabularyError, match="not learned"):
        learner_of(VocabularySpec(name="a/b", description="c", algorithm="file"))


_IN_A_PROCESS = """
import hashlib, sys
from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.vocab.learn import learner_of
learn = learner_of(VocabularySpec(name="a/b", description="c", algorithm=sys.argv[1]))
text = learn(open(sys.argv[2], encoding="utf-8"), VocabularySettings(size=int(sys.argv[3]), cased=True))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def _learn_in_a_process(kind: str, path: Path, size: int, num_threads: int) -> str:
    environment = {
        **os.environ,
        "RAYON_NUM_THREADS": str(num_threads),
        "OMP_NUM_THREADS": str(num_threads),
        "PYTHONHASHSEED": str(num_threads),
    }
    command = [sys.executable, "-c", _IN_A_PROCESS, kind, str(path), str(size)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@every_kind
def test_every_process_learns_the_same(kind: str, log_lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(log_lines), encoding="utf-8")
    here = _LEARNERS[kind](log_lines, VocabularySettings(size=330, cased=True))
    digests = {_learn_in_a_process(kind, path, 330, num_threads) for num_threads in (1, 3)}
    assert digests == {hashlib.sha256(here.encode()).hexdigest()}


@pytest.mark.real
@every_kind
def test_every_process_learns_the_same_from_real_text(kind: str, data_dir: Path, tmp_path: Path) -> None:
    lines = list(islice(open_text(data_dir / "corpora/general/general-english.txt.gz"), 1500))
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    digests = {_learn_in_a_process(kind, path, 3000, num_threads) for num_threads in (1, 2)}
    here = _LEARNERS[kind](lines, VocabularySettings(size=3000, cased=True))
    assert digests == {hashlib.sha256(here.encode()).hexdigest()}
