"""Signatures: short, readable back, and alike only for comparable scores."""

from __future__ import annotations

from domainlm.tasks.scores import TaskScore
from domainlm.tasks.signature import Signature, data_hash, labels_part, merge_seeds, without_seed

SCORE = TaskScore(
    split="test",
    metric="f1",
    protocol="conlleval entity",
    value=0.5,
    scorer="conlleval:1",
    labels=("ship", "person"),
)


def test_a_score_says_how_it_came_about() -> None:
    signed = SCORE.signed("5f0c31de", 3)
    assert signed.signature == (
        "conlleval:1|protocol:conlleval entity|labels:person,ship|split:test|data:5f0c31de|seeds:3"
    )
    assert TaskScore.from_dict(signed.as_dict()) == signed


def test_a_signature_reads_back() -> None:
    text = SCORE.signed("5f0c31de", 3).signature
    parsed = Signature.parse(text)
    assert parsed is not None
    assert str(parsed) == text
    assert parsed.data == "5f0c31de"
    assert Signature.parse("by hand") is None


def test_a_signature_without_its_seed_is_what_comparable_scores_share() -> None:
    text = SCORE.signed("5f0c31de", 3).signature
    assert without_seed(text) == "conlleval:1|protocol:conlleval entity|labels:person,ship|split:test|data:5f0c31de"
    assert without_seed(text) == without_seed(SCORE.signed("5f0c31de", 4).signature)
    assert without_seed(text) != without_seed(SCORE.signed("00000000", 3).signature)
    assert without_seed("by hand") == "by hand"


def test_a_signature_says_how_much_of_a_split_was_scored() -> None:
    text = SCORE.signed("5f0c31de", 3, (1000, 4797)).signature
    assert "|split:test|scored:1000/4797|data:5f0c31de|" in text
    parsed = Signature.parse(text)
    assert parsed is not None
    assert (str(parsed), parsed.part) == (text, (1000, 4797))
    whole = Signature.parse(SCORE.signed("5f0c31de", 3).signature)
    assert whole is not None
    assert whole.part is None
    assert len(merge_seeds([text, SCORE.signed("5f0c31de", 3).signature])) == 2


def test_seeds_merge_and_other_data_do_not() -> None:
    signatures = [
        SCORE.signed("5f0c31de", 10).signature,
        SCORE.signed("5f0c31de", 2).signature,
        SCORE.signed("00000000", 2).signature,
    ]
    head = "conlleval:1|protocol:conlleval entity|labels:person,ship|split:test"
    assert merge_seeds(signatures) == (f"{head}|data:5f0c31de|seeds:2,10", f"{head}|data:00000000|seeds:2")


def test_many_labels_become_a_number_and_a_hash() -> None:
    names = [f"type{number}" for number in range(20)]
    assert labels_part(names) == labels_part(reversed(names))
    assert labels_part(names).startswith("20-")
    assert labels_part(names) != labels_part([*names[:-1], "other"])
    assert labels_part(["a|b", "c,d"]) == "a/b,c;d"


def test_the_hash_is_that_of_the_facts() -> None:
    assert data_hash({"a": 1, "b": 2}) == data_hash({"b": 2, "a": 1}) != data_hash({"a": 1, "b": 3})
    # First digits of `printf '"x"' | sha256sum`.
    assert data_hash("x") == "ba2df490"
