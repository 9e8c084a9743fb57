"""Which means are marked as below the best of their column."""

from __future__ import annotations

import numpy as np
import pytest

from domainlm.study.report.marks import Marked, mark_columns, marks_sentence
from domainlm.study.report.pools import Pool
from domainlm.study.report.records import Row
from domainlm.study.report.units import Units
from domainlm.tasks.significance import f1_of_sums

# Of n seeds that all point one way the sign-flip test gives 2 / 2^n.


def column(num_models: int, num_seeds: int) -> dict[int, Pool]:
    """Models of which each is ahead of the next one by the same, with every seed."""

    def row(model: int, seed: int) -> Row:
        return Row.model_validate(
            {"stage": "finetune", "metric": "f1", "value": 0.9 - model / 100 + seed / 1000, "seed": seed}
            | {"model": f"model {model}", "settings": {}, "cell": {"arm": f"{model}"}}
        )

    return {model: Pool(tuple(row(model, seed) for seed in range(num_seeds)), {}) for model in range(num_models)}


def marked(num_models: int, num_seeds: int, num_columns: int = 1) -> dict[tuple[int, int], Marked]:
    """What is known of the means of equal columns."""
    pools = column(num_models, num_seeds)
    return mark_columns({name: {(name, model): pool for model, pool in pools.items()} for name in range(num_columns)})


def test_p_values_are_adjusted_for_all_pairs_since_any_model_might_have_been_the_best() -> None:
    found = marked(5, 8)
    # Ten pairs, not the four with the best: 10 x 2 / 2^8 is above 0.05, 4 x 2 / 2^8 would be below it.
    assert found[0, 1].p_value == pytest.approx(10 * 2 / 2**8)
    assert not any(each.is_below for each in found.values())
    assert sum(each.is_below for each in marked(5, 9).values()) == 4
    assert "adjusted for all 10 pairs of means in the columns of this table (Holm)" in marks_sentence(found.values())


def test_the_pairs_of_all_columns_count() -> None:
    assert marked(3, 8, num_columns=2)[1, 2].p_value == pytest.approx(6 * 2 / 2**8)


def test_a_mean_over_fewer_seeds_is_not_called_the_best() -> None:
    """Of the second model only the luckiest seed is there: its mean is above the first one's, its score is not."""
    first, second = column(2, 4).values()
    lucky = Pool(second.rows[-1:], {})
    assert lucky.rows[0].value < first.rows[-1].value
    rows = tuple(row.model_copy(update={"value": row.value - 0.01 * (3 - row.seed)}) for row in first.rows)
    found = mark_columns({"f1": {"first": Pool(rows, {}), "second": lucky}})
    assert lucky.mean > Pool(rows, {}).mean
    assert (found["first"].is_best, found["second"].is_best) == (True, False)
    assert "Bold: the best mean of each column, of those over its most seeds." in marks_sentence(found.values())
    assert "most seeds" not in marks_sentence(marked(2, 4).values())


def test_one_pair_is_not_adjusted() -> None:
    found = marked(2, 6)
    assert found[0, 1].p_value == pytest.approx(2 / 2**6)
    assert "adjusted for the one comparison of this table." in marks_sentence(found.values())


def test_nothing_is_adjusted_where_nothing_is_tested() -> None:
    found = marked(3, 5)
    assert {each.num_pairs for each in found.values()} == {0}
    assert "adjusted" not in marks_sentence(found.values())


@pytest.mark.parametrize(("num_models", "num_pairs"), [(6, 15), (16, 120)])
def test_however_many_pairs_a_clear_difference_is_marked(num_models: int, num_pairs: int) -> None:
    """The best is right in all of 30 documents, the others in none: no swap of chance comes near."""
    pools = {}
    for model, pool in column(num_models, 1).items():
        counts = np.array([[9.0, 9.0, 0.0 if model else 9.0]] * 30)
        units = Units("p", "d", {"f1": (counts, f1_of_sums)}, ("document",))
        pools[model] = Pool(tuple(row.model_copy(update={"units": "u"}) for row in pool.rows), {"u": units})
    found = mark_columns({"f1": pools})
    rounds = 2_000 if num_pairs <= 20 else 100 * num_pairs
    assert {each.num_pairs for each in found.values()} == {0, num_pairs}
    assert found[1].p_value == pytest.approx(num_pairs / (rounds + 1))
    assert [model for model, each in found.items() if each.is_below] == list(range(1, num_models))
    assert mark_columns({"f1": pools}) == found
