"""When a pretraining is over, by hand."""

from __future__ import annotations

import pytest

from domainlm.study.early_stop import _Course


def course(*steps: dict[int, float], metric: str = "f1") -> _Course:
    """A pretraining scored every ten steps, by seed."""
    by_seed = {10 * number: values for number, values in enumerate(steps, start=1)}
    return _Course("ships", 2, {}, metric=metric, by_seed=by_seed)


def test_it_is_over_after_so_many_steps_that_brought_nothing_better() -> None:
    assert not course({0: 0.2, 1: 0.4}, {0: 0.1, 1: 0.3}).is_over
    over = course({0: 0.2, 1: 0.4}, {0: 0.1, 1: 0.3}, {0: 0.3, 1: 0.2})
    assert over.is_over
    assert over.best == (10, pytest.approx(0.3))
    assert "missing_seeds" not in over.as_dict()


def test_a_step_that_lacks_a_seed_is_neither_the_best_nor_one_that_brought_nothing() -> None:
    lucky = course({0: 0.2, 1: 0.4}, {1: 0.9}, {0: 0.1, 1: 0.3})
    assert not lucky.is_over
    assert lucky.best[0] == 10
    assert [score["step"] for score in lucky.as_dict()["dev_scores"]] == [10, 30]
    assert lucky.as_dict()["missing_seeds"] == {"20": [0]}
    assert course({1: 0.9}, {0: 0.1, 1: 0.3}, {0: 0.2, 1: 0.3}).best[0] == 30
