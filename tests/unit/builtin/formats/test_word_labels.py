from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.builtin.formats.word_labels import WordNames
from domainlm.tasks.token.conlleval import chunks


@pytest.mark.parametrize(
    ("labels", "types"),
    [
        (("O", "B-Ship", "I-Ship"), ("Ship",)),
        (("I-Ship", "B-Place", "I-Place", "O"), ("Ship", "Place")),  # IOB1 without a B-Ship, as conll03 models have
        (("O", "S-Ship", "B-Ship", "I-Ship", "E-Ship"), ("Ship",)),
        (("B", "I", "O"), ("entity",)),
        (("O", "B-Ship-Old", "X", "[CLS]"), ("Ship-Old",)),
    ],
)
def test_tags_of_a_scheme_are_told_by_their_form(labels: tuple[str, ...], types: tuple[str, ...]) -> None:
    names = WordNames(labels)
    assert names.are_tags
    assert names.types == types
    assert names.without_meaning == tuple(label for label in labels if label in {"X", "[CLS]"})
    assert not names.are_unnamed


@pytest.mark.parametrize(
    ("labels", "types"),
    [
        (("O", "Ship", "Place"), ("Ship", "Place")),
        (("NOUN", "VERB", "I", "O"), ("NOUN", "VERB", "I")),  # one letter alone makes no scheme
        (("LABEL_0", "LABEL_1"), ("LABEL_0", "LABEL_1")),
        (("O",), ()),
    ],
)
def test_other_labels_name_types(labels: tuple[str, ...], types: tuple[str, ...]) -> None:
    names = WordNames(labels)
    assert not names.are_tags
    assert names.types == types
    assert names.without_meaning == ()
    assert names.are_unnamed == (labels[0] == "LABEL_0")


def test_runs_of_one_label_are_one_entity() -> None:
    names = WordNames(("O", "Ship", "Place"))
    spans = names.spans(["Ship", "Ship", "Place", "O", "O", "Ship"])
    assert spans == [(0, 2, "Ship"), (2, 3, "Place"), (5, 6, "Ship")]


def test_ends_and_single_words_are_heeded_and_labels_without_meaning_are_not() -> None:
    names = WordNames(("O", "S-Ship", "B-Ship", "I-Ship", "E-Ship", "[SEP]"))
    tags = ["S-Ship", "S-Ship", "B-Ship", "E-Ship", "I-Ship", "[SEP]", "I-Ship"]
    assert names.spans(tags) == [(0, 1, "Ship"), (1, 2, "Ship"), (2, 4, "Ship"), (4, 5, "Ship"), (6, 7, "Ship")]


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"])))
def test_tags_of_this_programs_own_models_are_read_as_they_are_scored(tags: list[str]) -> None:
    assert WordNames(("O", "B-a", "I-a", "B-b", "I-b")).spans(tags) == chunks(tags)
