from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import TokenExample
from domainlm.tasks.token.features import Features, WindowSettings, WordEncoder, build_features, encode_examples
from domainlm.tasks.token.labels import LabelSet

CLS, SEP = 1, 2
MakeExample = Callable[..., TokenExample]


def _rows(features: Features) -> list[str]:
    """The rows as text: [ for the first sub-token, ] for the last one."""
    rows = np.split(features.tokens, features.row_starts[1:-1])
    return ["".join({CLS: "[", SEP: "]"}.get(token, chr(token)) for token in row) for row in rows]


def _slots(features: Features) -> list[list[int]]:
    return [each.tolist() for each in np.split(features.slots, features.slot_starts[1:-1])]


def test_labels() -> None:
    labels = LabelSet.of(["ship", "place", "ship"])
    assert labels.types == ("place", "ship")
    assert labels.tags == ("O", "B-place", "I-place", "B-ship", "I-ship")
    assert [labels.tags[inside] for inside in labels.inside] == ["O", "I-place", "I-place", "I-ship", "I-ship"]
    assert labels.encode(["O", "I-ship", "B-place", "B-crew"]) == [0, 4, 1, 0]


def test_first_sub_tokens_are_labelled(letter_encoder: WordEncoder, make_example: MakeExample) -> None:
    examples = [make_example("the Vega II left"), make_example(""), make_example("ok")]
    features = build_features(
        encode_examples(examples, letter_encoder),
        letter_encoder,
        WindowSettings(max_tokens=32, num_overlap_words=2),
        tags=[["O", "B-ship", "I-ship", "O"], [], ["O"]],
        label_set=LabelSet.of(["ship"]),
    )
    assert _rows(features) == ["[theVegaIIleft]", "[ok]"]
    assert _slots(features) == [[1, 4, 8, 10], [1]]
    assert features.labels.tolist() == [0, 1, 2, 0, 0]


def test_every_sub_token_is_labelled(letter_encoder: WordEncoder, make_example: MakeExample) -> None:
    features = build_features(
        encode_examples([make_example("the Vega II")], letter_encoder),
        letter_encoder,
        WindowSettings(max_tokens=32, num_overlap_words=2),
        tags=[["O", "B-ship", "I-ship"]],
        label_set=LabelSet.of(["ship"]),
        labelling="every_sub_token",
    )
    assert _slots(features) == [[1, 2, 3, 4, 5, 6, 7, 8, 9]]
    assert features.labels.tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 2]


def test_windows_and_words_that_are_too_long(letter_encoder: WordEncoder, make_example: MakeExample) -> None:
    features = build_features(
        encode_examples([make_example("ab cd ef longestword gh")], letter_encoder),
        letter_encoder,
        WindowSettings(max_tokens=8, num_overlap_words=1),
        tags=[["B-x"] * 5],
        label_set=LabelSet.of(["x"]),
        labelling="every_sub_token",
    )
    assert _rows(features) == ["[abcdef]", "[longes]", "[gh]"]
    assert _slots(features) == [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [1, 2]]
    assert features.labels.tolist() == [1, 2] * 3 + [1, 2, 2, 2, 2, 2] + [1, 2]


TEXTS = st.lists(st.lists(st.text("abc", min_size=1, max_size=14), max_size=12).map(" ".join), max_size=5)


@given(TEXTS, st.integers(3, 30), st.integers(0, 20))
def test_every_word_has_one_slot_whatever_the_limit(
    letter_encoder: WordEncoder,
    make_example: MakeExample,
    texts: Sequence[str],
    max_tokens: int,
    num_overlap_words: int,
) -> None:
    examples = [make_example(text) for text in texts]
    features = build_features(
        encode_examples(examples, letter_encoder), letter_encoder, WindowSettings(max_tokens, num_overlap_words)
    )
    assert all(length <= max_tokens for length in features.row_lengths)
    starts = np.repeat(features.row_starts[:-1], np.diff(features.slot_starts))
    words = [word for text in texts for word in text.split()]
    assert [chr(token) for token in features.tokens[starts + features.slots]] == [word[0] for word in words]


@given(TEXTS, st.integers(3, 30), st.integers(0, 20))
def test_every_sub_token_counts_at_most_once(
    letter_encoder: WordEncoder,
    make_example: MakeExample,
    texts: Sequence[str],
    max_tokens: int,
    num_overlap_words: int,
) -> None:
    examples = [make_example(text) for text in texts]
    tags = [["B-x"] * len(example.words) for example in examples]
    features = build_features(
        encode_examples(examples, letter_encoder),
        letter_encoder,
        WindowSettings(max_tokens, num_overlap_words),
        tags=tags,
        label_set=LabelSet.of(["x"]),
        labelling="every_sub_token",
    )
    room = max_tokens - 2
    expected = [index == 0 for text in texts for word in text.split() for index in range(len(word[:room]))]
    assert (features.labels == 1).tolist() == expected
