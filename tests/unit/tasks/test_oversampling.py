"""Which rows an epoch sees, by hand."""

from __future__ import annotations

import numpy as np

from domainlm.tasks.oversampling import rows_of_epoch, rows_of_slots

ROW_STARTS = [0, 2, 3, 3, 6]
LABELS = np.array([0, 1, 0, 0, 0, 2])


def test_rows_of_slots() -> None:
    assert rows_of_slots(ROW_STARTS).tolist() == [0, 0, 1, 3, 3, 3]


def test_rows_with_a_rare_label_come_again() -> None:
    rows = rows_of_slots(ROW_STARTS)
    assert rows_of_epoch(LABELS, rows, 4, 1).tolist() == [0, 1, 2, 3]
    assert rows_of_epoch(LABELS, rows, 4, 3).tolist() == [0, 0, 0, 1, 2, 3, 3, 3]


def test_without_labels_every_row_is_seen_once() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert rows_of_epoch(nothing, nothing, 2, 5).tolist() == [0, 1]
