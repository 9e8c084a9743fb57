from __future__ import annotations

from collections import Counter

import pytest

from domainlm_biomegatron.sample.compose import Author, Mixture
from domainlm_biomegatron.sample.draws import Draws
from domainlm_biomegatron.sample.files import TITLE_MARK
from domainlm_biomegatron.sample.templates import FACTS, FILLER, NEUTRAL, PLAIN, TITLES
from domainlm_biomegatron.sample.world import GENE_RELATIONS, KINDS, the_world

MIXED = Mixture(facts=0.3, plain=0.3, neutral=0.3, themed=0.5, labelled=0.5)


def test_names_are_unique_and_no_words_of_the_sentences() -> None:
    things = [thing for kind in KINDS for thing in the_world().things[kind]]
    names = [thing.name for thing in things]
    assert len(set(names)) == len(names) == 360
    assert len({thing.id for thing in things}) == len(things)
    templates = [*FILLER, *NEUTRAL, *TITLES, *(t for group in (*FACTS.values(), *PLAIN.values()) for t in group)]
    words = {word.strip(".,:%()").lower() for template in templates for word in template.split()}
    assert not words & {word for name in names for word in name.split()}


def test_names_are_not_given_away_by_their_endings() -> None:
    """Most endings must occur with things of several kinds: what a name is has to be learned from where it occurs."""
    kinds_of: dict[str, Counter[str]] = {}
    for kind in KINDS:
        for thing in the_world().things[kind]:
            for word in thing.name.split()[-1:]:
                kinds_of.setdefault(word[-3:], Counter())[kind] += 1
    told = sum(sum(kinds.values()) for kinds in kinds_of.values() if len(kinds) == 1)
    assert told / 360 < 0.75


def test_facts_stay_on_their_side_of_the_split() -> None:
    world = the_world()
    for chemical in world.things["chemical"]:
        facts = world.facts[chemical.id]
        linked = [*facts.treats, *facts.causes, *(gene for gene, _ in facts.targets)]
        assert {thing.in_labelled_text for thing in linked} == {chemical.in_labelled_text}
        assert not set(facts.treats) & set(facts.causes)
        assert {relation for _, relation in facts.targets} <= set(GENE_RELATIONS) <= set(FACTS)


def test_mentions_stand_where_they_are_said_to() -> None:
    author = Author(the_world(), MIXED)
    for number in range(50):
        passage = author.passage(Draws("test", number), 8)
        assert passage.title.text.startswith(TITLE_MARK)
        mentions = passage.mentions()
        assert mentions
        for mention in mentions:
            assert passage.text[mention.start : mention.end].lower() == mention.thing.name


def test_a_themed_document_keeps_to_one_kind() -> None:
    author = Author(the_world(), Mixture(facts=0.0, plain=0.5, neutral=0.5, themed=1.0, labelled=0.5))
    for number in range(20):
        passage = author.passage(Draws("themed", number), 8)
        assert len({mention.thing.kind for mention in passage.mentions()}) == 1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_labelled_documents_name_one_side_only(share: float) -> None:
    author = Author(the_world(), Mixture(facts=0.3, plain=0.3, neutral=0.3, themed=0.0, labelled=share))
    named = {m.thing for number in range(20) for m in author.passage(Draws("side", number), 8).mentions()}
    assert {thing.in_labelled_text for thing in named} == {bool(share)}


def test_draws_depend_on_the_key_alone() -> None:
    assert [Draws("a", 1).below(1000) for _ in range(3)] == [Draws("a", 1).below(1000)] * 3
    assert Draws("a", 1).below(1000) != Draws("a", 2).below(1000)
    assert sorted(Draws("s").shuffled(range(50))) == list(range(50))
    picked = Counter(Draws("p", key).pick("abcd") for key in range(400))
    assert all(60 < count < 140 for count in picked.values())
