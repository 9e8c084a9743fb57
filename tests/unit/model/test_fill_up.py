from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from domainlm.model.gather import fill_up


@given(st.integers(1, 500), st.data())
def test_places_are_filled_up_with_others(num_rows: int, data: st.DataObject) -> None:
    places = data.draw(st.permutations(range(num_rows)))[: data.draw(st.integers(0, num_rows))]
    filled = fill_up(torch.tensor(places, dtype=torch.int64), num_rows).tolist()
    assert filled[: len(places)] == places
    assert len(set(filled)) == len(filled)
    assert set(filled) <= set(range(num_rows))
    wanted = -(-len(places) // 64) * 64
    assert len(filled) == (wanted if wanted <= num_rows else len(places))


def test_places_on_another_device_stay_as_they_are() -> None:
    places = torch.arange(5, device="meta")
    assert fill_up(places, 500) is places
