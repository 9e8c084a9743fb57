"""Every word of every text has one first slot, whatever the windows, and it is the word's first sub-token."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import TokenExample
from domainlm.tasks.oversampling import rows_of_slots
from domainlm.tasks.token.features import WindowSettings, WordEncoder, build_features, encode_examples, first_slots

WORDS = st.text(alphabet="abcdefg", min_size=1, max_size=30)
TEXTS = st.lists(st.lists(WORDS, max_size=12), min_size=1, max_size=5)


@settings(max_examples=200)
@given(texts=TEXTS, max_tokens=st.integers(16, 40), overlap=st.integers(0, 5))
def test_first_slots_are_the_words(
    texts: list[list[str]],
    max_tokens: int,
    overlap: int,
    letter_encoder: WordEncoder,
    make_example: Callable[..., TokenExample],
) -> None:
    examples = [make_example(" ".join(words)) for words in texts]
    encoded = encode_examples(examples, letter_encoder)
    windows = WindowSettings(max_tokens, overlap)
    features = build_features(encoded, letter_encoder, windows, labelling="every_sub_token")
    room = max_tokens - 2
    slots = first_slots(encoded, room)
    words = [word for each in texts for word in each]
    assert len(features.slots) == sum(min(len(word), room) for word in words)
    rows = rows_of_slots(features.slot_starts)
    places = features.row_starts[rows] + features.slots
    letters = [chr(token) for token in features.tokens[places]]
    borders = [*slots, len(letters)]
    assert ["".join(letters[start:end]) for start, end in pairwise(borders)] == [word[:room] for word in words]
    one_each = build_features(encoded, letter_encoder, windows)
    assert first_slots(encoded, 1).tolist() == list(range(len(words)))
    assert len(one_each.slots) == len(words)
