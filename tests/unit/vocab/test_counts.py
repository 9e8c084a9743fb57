from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import BertPreTokenizer

from domainlm.vocab.bert import bert_normalizer
from domainlm.vocab.counts import count_words, frequent_characters, repeated, within_limit

_WORDS = st.text(st.sampled_from("aB9-_.'\u00e9\u03b2\u5317\x00\u200b~$"), min_size=1, max_size=8)


def test_words_are_counted_as_bert_cuts_them() -> None:
    counts = count_words(["The ship's mast, the Ship.", "the\tship \u5317\u4eac"], cased=False)
    words = {"the": 3, "ship": 3, "'": 1, "s": 1, "mast": 1, ",": 1, ".": 1, "\u5317": 1, "\u4eac": 1}
    assert counts == words
    assert list(counts) == sorted(counts)


def test_words_above_the_limit_are_left_out() -> None:
    sentences = ["x" * 101 + " " + "y" * 100]
    assert count_words(sentences, cased=True, max_word_characters=100) == {"y" * 100: 1}
    assert len(count_words(sentences, cased=True)) == 2


@given(st.lists(st.lists(_WORDS, max_size=8).map(" ".join), max_size=6), st.booleans(), st.integers(0, 5))
def test_short_ways_change_nothing(sentences: list[str], cased: bool, max_runs: int) -> None:
    normalizer, pre_tokenizer = bert_normalizer(cased=cased), BertPreTokenizer()
    expected: dict[str, int] = {}
    for sentence in sentences:
        for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(sentence)):
            expected[word] = expected.get(word, 0) + 1
    assert count_words(sentences, cased=cased, max_runs=max_runs) == expected


def test_the_most_frequent_characters_are_kept() -> None:
    words = {"aaab": 1, "bb": 1, "cc": 1, "dd": 1, "aab": 1, "ddd": 1}  # a 5, d 5, b 4, c 2
    assert frequent_characters(words, 1, 3) == ["a", "b", "d"]
    assert frequent_characters(words, 3, 9) == ["a", "b", "d"]
    assert frequent_characters({"ab": 2}, 1, 1) == ["a"]  # of equals the first


@given(st.dictionaries(st.text("abc", min_size=1, max_size=5), st.integers(1, 5000), min_size=1, max_size=6))
def test_the_text_that_is_fed_holds_the_words_as_often_as_counted(counts: dict[str, int]) -> None:
    lines = list(repeated(counts))
    assert count_words(lines, cased=True) == counts
    assert max(len(line.split()) for line in lines) <= 1000


def test_counts_are_divided_until_they_fit() -> None:
    counts = {"ab": 10, "c": 3, "ddd": 1}
    assert within_limit(counts, 26) == counts  # 20 + 3 + 3 characters
    assert within_limit(counts, 25) == {"ab": 5, "c": 2, "ddd": 1}
    assert within_limit(counts, 12) == {"ab": 4, "c": 1, "ddd": 1}


def test_the_size_of_a_word_may_be_another_than_its_characters() -> None:
    counts = {"\u03b2": 4, "a": 2}
    assert within_limit(counts, 10, size=lambda word: len(word.encode())) == counts
    assert within_limit(counts, 9, size=lambda word: len(word.encode())) == {"\u03b2": 2, "a": 1}
