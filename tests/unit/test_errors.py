"""How lists of names stand in messages."""

from __future__ import annotations

import pytest

from domainlm.errors import UserError, shortened


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        (("a", "b", "c", "d", "e"), "a, b, c and 2 more"),
    ],
)
def test_the_first_names_are_shown_and_the_others_counted(names: list[str], shown: str) -> None:
    assert shortened(names, 3) == shown


def test_a_list_may_have_a_line_for_each_name() -> None:
    assert shortened(["a", "b", "c"], 2, separator="\n", before_rest="\n") == "a\nb\nand 1 more"


def test_of_allowed_names_twenty_are_shown() -> None:
    error = UserError("no such name", allowed=[f"n{number}" for number in range(22)])
    assert str(error).endswith(", n18, n19 and 2 more")
    assert str(UserError("no such name", allowed=[])).endswith("allowed: (none)")
