from __future__ import annotations

import random

import numpy as np
import pytest

from domainlm.text.preparation.hashing import hash_words
from domainlm.text.preparation.near import NearSettings, band_hashes, make_signatures


def _text(generator: random.Random, num_words: int) -> list[str]:
    return [f"w{generator.randrange(10_000)}" for _ in range(num_words)]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 0.99])
def test_bands_find_nearly_all_pairs_at_the_threshold(threshold: float) -> None:
    settings = NearSettings(threshold=threshold)
    recall = 1 - (1 - threshold**settings.num_rows) ** settings.num_bands
    assert settings.num_rows * settings.num_bands <= settings.num_slots
    assert recall >= 0.99 or settings.num_rows == 1


def test_the_share_of_equal_slots_estimates_the_similarity() -> None:
    # 200 pairs; an estimate from 128 slots has a standard deviation of at most 0.5 / sqrt(128) = 0.044.
    generator = random.Random(1)  # noqa: S311
    errors = []
    for _ in range(200):
        words = _text(generator, 120)
        place = generator.randrange(10, 100)
        changed = [*words[:place], *_text(generator, generator.randrange(1, 30)), *words[place:]]
        shingles = [{tuple(text[first : first + 5]) for first in range(len(text) - 4)} for text in (words, changed)]
        exact = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
        signatures = make_signatures(*hash_words([" ".join(words), " ".join(changed)]), NearSettings())
        errors.append(float((signatures[0] == signatures[1]).mean()) - exact)
    assert abs(np.mean(errors)) < 4 * 0.044 / np.sqrt(200)
    assert np.std(errors) < 0.05


def test_signatures_do_not_depend_on_the_texts_beside() -> None:
    generator = random.Random(2)  # noqa: S311
    texts = [" ".join(_text(generator, num_words)) for num_words in (1, 3, 4, 5, 6, 200, 5)]
    settings = NearSettings()
    together = make_signatures(*hash_words(texts), settings)
    assert together.shape == (7, 128)
    for number, text in enumerate(texts):
        assert make_signatures(*hash_words([text]), settings)[0].tolist() == together[number].tolist()


def test_short_texts_are_alike_only_when_they_are_the_same() -> None:
    texts = ["oil and salt", "Oil, and salt!", "salt and oil", "oil"]
    signatures = make_signatures(*hash_words(texts), NearSettings())
    assert (signatures[0] == signatures[1]).all()
    assert (signatures[0] == signatures[2]).mean() < 0.1
    assert (signatures[0] == signatures[3]).mean() < 0.1


def test_bands_are_equal_where_all_their_slots_are() -> None:
    settings = NearSettings(num_slots=8, threshold=0.5)
    signatures = np.arange(8, dtype=np.uint32) + np.array([[0], [0], [100]], dtype=np.uint32)
    signatures[1, 0] = 77  # of the first band
    bands = band_hashes(signatures, settings)
    assert bands.shape == (settings.num_bands, 3)
    assert (bands[:, 0] == bands[:, 1]).tolist() == [False] + [True] * (settings.num_bands - 1)
    assert not (bands[:, 0] == bands[:, 2]).any()
