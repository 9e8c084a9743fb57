from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from domainlm.text.words import split_words


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n\u00a0", []),
        ("The ship's hull.", ["The", "ship", "'", "s", "hull", "."]),
        ("3.5-inch (new)", ["3", ".", "5", "-", "inch", "(", "new", ")"]),
        ("a_b $5 x^2 ~ \u201cso\u201d", ["a", "_", "b", "$", "5", "x", "^", "2", "~", "\u201c", "so", "\u201d"]),
        ("\u00b15 \u00b0C caf\u00e9", ["\u00b15", "\u00b0C", "caf\u00e9"]),
        ("\u5317\u4eac is big", ["\u5317", "\u4eac", "is", "big"]),
        ("co\u00adop \u200b \x00", ["co\u00adop"]),
        ("\u200bword", ["\u200bword"]),
    ],
)
def test_words_are_found(text: str, words: list[str]) -> None:
    assert _words(text) == words


# Blocks in which Python and the library agree: elsewhere they may know different versions of Unicode.
_TEXT = st.text(
    st.characters(max_codepoint=0x52F, exclude_categories=["Cn", "Cc"])
    | st.characters(min_codepoint=0x2010, max_codepoint=0x2027)
    | st.characters(min_codepoint=0x4E00, max_codepoint=0x4EFF)
    | st.sampled_from(" .,-'\u200b\u00ad")
)


@given(_TEXT)
def test_words_are_those_of_bert(text: str) -> None:
    dropped = {
        ord(character): None for character in text if not BertNormalizer(lowercase=False).normalize_str(character)
    }
    normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    expected = [word for word, _ in BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(text))]
    assert [word.translate(dropped) for word in _words(text)] == [word for word in expected if word]


@given(st.text())
def test_words_are_in_order_apart_and_without_blanks(text: str) -> None:
    last = 0
    for start, end in split_words(text):
        assert last <= start < end <= len(text)
        assert not any(character.isspace() for character in text[start:end])
        last = end


def test_long_runs_of_control_characters_take_linear_time() -> None:
    assert split_words("\x00" * 1_000_000) == ()
