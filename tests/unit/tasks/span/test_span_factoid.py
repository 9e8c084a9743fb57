from __future__ import annotations

import pytest

from domainlm.tasks.span.factoid import FactoidScores, Ranked, first_right, merge_candidates, score_ranks


def test_candidates_of_one_text_are_merged_whatever_their_case() -> None:
    # Worked by hand: "aspirin" 0.5 + 0.3 + 0.1, "ASA" 0.4, shown as where it is likeliest.
    found = merge_candidates([("aspirin", 0.3), ("ASA", 0.4), ("Aspirin", 0.5), (" ASPIRIN ", 0.1)])
    assert [each.text for each in found] == ["Aspirin", "ASA"]
    assert [each.score for each in found] == pytest.approx([0.9, 0.4])


def test_empty_and_long_candidates_are_dropped_and_five_are_kept() -> None:
    candidates = [("", 9.0), (" ", 9.0), ("x" * 101, 9.0), ("y" * 100, 0.7), *((str(n), 0.1 * n) for n in range(6))]
    found = merge_candidates(candidates)
    assert [each.text for each in found] == ["y" * 100, "5", "4", "3", "2"]


def test_of_equal_candidates_the_first_comes_first() -> None:
    assert merge_candidates([("b", 0.5), ("a", 0.5)]) == (Ranked("b", 0.5), Ranked("a", 0.5))


@pytest.mark.parametrize(
    ("ranked", "rank"),
    [
        (["no", "Acetylsalicylic Acid"], 2),  # a synonym, in other case
        (["aspirin tablets", "aspirins"], None),  # no partial match
        (["aspirin.", "ASPIRIN"], 2),  # punctuation counts
        (["a", "b", "c", "d", "aspirin"], 5),
        (["a", "b", "c", "d", "e", "aspirin"], None),  # cut after five
        ([], None),
    ],
)
def test_a_right_answer_is_exact_but_for_case(ranked: list[str], rank: int | None) -> None:
    assert first_right(ranked, ["aspirin", "acetylsalicylic acid"]) == rank


def test_blanks_at_the_ends_of_accepted_answers_do_not_count() -> None:
    assert first_right(["dystrophin"], ["Dystrophin \n"]) == 1
    assert first_right(["dystro phin"], ["dystrophin "]) is None


def test_every_question_is_in_the_denominator() -> None:
    # Ranks 1, 3, 5 and two questions without a right candidate: 1/5 strict, 3/5 lenient, (1 + 1/3 + 1/5) / 5.
    scores = score_ranks([1, 3, None, 5, None])
    assert scores == FactoidScores(0.2, 0.6, pytest.approx(23 / 75), 5, 1, 3)
    assert score_ranks([]) == FactoidScores(0.0, 0.0, 0.0, 0, 0, 0)
