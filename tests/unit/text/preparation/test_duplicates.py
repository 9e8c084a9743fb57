from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from domainlm.text.preparation import sorting
from domainlm.text.preparation.duplicates import Table, find_exact, find_near, find_replaced
from domainlm.text.preparation.hashing import hash_words
from domainlm.text.preparation.near import NearSettings, band_hashes, make_signatures
from domainlm.text.preparation.sorting import equal_rows


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40), st.sampled_from([1, 3, 1000]), st.booleans())
def test_equal_rows_are_all_found(rows: list[tuple[int, bool]], per_bucket: int, pairs: bool) -> None:
    values = np.array([value << 62 for value, _ in rows], np.uint64)
    keys = np.stack([values, values >> np.uint64(3)], axis=1) if pairs else values
    wanted = np.array([is_wanted for _, is_wanted in rows], np.bool_)
    expected = defaultdict(list)
    for number, (value, is_wanted) in enumerate(rows):
        if is_wanted:
            expected[value].append(number)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_ROWS_PER_BUCKET", per_bucket)
        patch.setattr(sorting, "_ROWS_PER_READ", 7)
        for shared, starts in equal_rows(keys, wanted):
            found += [shared[first:last].tolist() for first, last in pairwise(starts)]
    assert found == [group for _, group in sorted(expected.items()) if len(group) > 1]


def _digests(values: list[int]) -> NDArray[np.uint64]:
    return np.array([[value * 0x9E3779B97F4A7C15 % 2**64, value] for value in values], np.uint64).reshape(-1, 2)


def test_the_first_of_equal_texts_stays_and_the_last_of_the_highest_version(tmp_path: Path) -> None:
    table = Table(tmp_path, 6)
    table.fill("digests", 0, _digests([5, 6]))
    table.fill("digests", 2, _digests([5, 7, 6, 5]))
    table.fill("id_digests", 0, _digests([1, 1, 2, 3, 1, 3]))
    table.fill("versions", 0, np.array([1, 1, 1, 2, 1, 1], np.int32))
    wanted = np.ones(6, np.bool_)
    assert find_exact(table, wanted).tolist() == [-1, -1, 0, -1, 1, 0]
    assert find_replaced(table, wanted).tolist() == [4, 4, -1, -1, -1, 3]
    wanted[0] = False
    assert find_exact(table, wanted).tolist() == [-1, -1, -1, -1, 1, 2]


_WORDS = [f"w{number}" for number in range(40)]


@st.composite
def _texts(draw: st.DrawFn) -> list[str]:
    """Texts of which some are others with a few words changed."""
    texts: list[list[str]] = []
    for _ in range(draw(st.integers(1, 8))):
        if texts and draw(st.booleans()):
            words = list(draw(st.sampled_from(texts)))
            for _ in range(draw(st.integers(0, 3))):
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(_WORDS))
        else:
            words = draw(st.lists(st.sampled_from(_WORDS), min_size=8, max_size=40))
        texts.append(words)
    return [" ".join(words) for words in texts]


@given(texts=_texts())
@settings(deadline=None)
def test_near_duplicates_hang_together_by_similar_pairs(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    near = NearSettings(threshold=0.6, num_words=2)
    signatures = make_signatures(*hash_words(texts), near)
    bands = band_hashes(signatures, near)
    table = Table(tmp_path_factory.mktemp("table"), len(texts))
    table.fill("signatures", 0, signatures)
    table.fill("bands", 0, bands, axis=1)
    first_of = find_near(table, np.ones(len(texts), np.bool_), near).tolist()
    similar = (signatures[:, None] == signatures[None]).mean(axis=2) >= 0.6
    meet = (bands[:, :, None] == bands[:, None]).any(axis=0)
    reachable = np.eye(len(texts), dtype=np.bool_) | (similar & meet)
    for _ in texts:
        reachable |= reachable @ reachable
    for row, first in enumerate(first_of):
        if first >= 0:  # only what hangs together by similar pairs is joined, and the first stays
            assert first < row
            assert reachable[row, first]
            assert first_of[first] == -1
    assert all(first_of[row] >= 0 for row, text in enumerate(texts) if text in texts[:row])
    kept = [row for row, first in enumerate(first_of) if first < 0]
    for row in kept:  # whatever shares the first text of a band group and is like it has gone
        for band in bands:
            leader = int(np.flatnonzero(band == band[row])[0])
            assert leader == row or not similar[leader, row]


def test_a_copy_with_few_changes_is_a_near_duplicate_and_another_text_is_not(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    original = [f"w{number}" for number in generator.integers(0, 5000, 300)]
    changed = [*original[:150], "quite", "new", *original[150:]]
    other = [f"w{number}" for number in generator.integers(0, 5000, 300)]
    near = NearSettings()
    signatures = make_signatures(*hash_words([" ".join(text) for text in (other, original, changed)]), near)
    table = Table(tmp_path, 3)
    table.fill("signatures", 0, signatures)
    table.fill("bands", 0, band_hashes(signatures, near), axis=1)
    assert find_near(table, np.ones(3, np.bool_), near).tolist() == [-1, -1, 1]
    assert find_near(table, np.array([True, False, True]), near).tolist() == [-1, -1, -1]
