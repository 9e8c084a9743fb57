"""Halves of surrogate pairs."""

from __future__ import annotations

from domainlm.text.surrogates import without_surrogates


def test_half_of_a_surrogate_pair_becomes_one_other_character() -> None:
    assert without_surrogates("a\ud83d b\ude00\U0001f600") == "a? b?\U0001f600"
