"""Documents of the synthetic world: sentences filled with names, with the place of each name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domainlm_biomegatron.sample.draws import Draws
from domainlm_biomegatron.sample.files import TITLE_MARK
from domainlm_biomegatron.sample.names import Kind
from domainlm_biomegatron.sample.templates import FACTS, FILLER, NEUTRAL, PLAIN, TITLES
from domainlm_biomegatron.sample.world import KINDS, Facts, Thing, World

_NUM_TOPICS = 8  # things that a document comes back to
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Mention:
    """A name at characters `start` to `end` (exclusive) of the text it is part of."""

    start: int
    end: int
    thing: Thing

    def moved(self, by: int) -> Mention:
        """Return the mention as it stands in a text that begins `by` characters earlier."""
        return Mention(self.start + by, self.end + by, self.thing)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its mentions; `fact` is what it says of its two things (a key of FACTS), or ""."""

    text: str
    mentions: tuple[Mention, ...]
    fact: str = ""

    def mention_of(self, kind: Kind) -> Mention:
        """Return the first mention of a thing of this kind; the sentence has one."""
        return next(mention for mention in self.mentions if mention.thing.kind == kind)


@dataclass(frozen=True, slots=True)
class Passage:
    """A titled document."""

    title: Sentence
    sentences: tuple[Sentence, ...]

    @property
    def abstract(self) -> str:
        """All sentences, single blanks between."""
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def text(self) -> str:
        """Title and abstract with a blank between: what the offsets of PubTator and ChemProt files count in."""
        return f"{self.title.text} {self.abstract}"

    def placed(self) -> Iterator[tuple[Sentence, int]]:
        """Yield the title and each sentence with its offset in `text`."""
        offset = 0
        for sentence in (self.title, *self.sentences):
            yield sentence, offset
            offset += len(sentence.text) + 1

    def mentions(self) -> list[Mention]:
        """Return all mentions in order, with offsets in `text`."""
        return [mention.moved(offset) for sentence, offset in self.placed() for mention in sentence.mentions]


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a sort of document consists of.

    Attributes:
        facts: share of sentences that state a fact; `plain` and `neutral` likewise; the rest is filler.
        themed: share of documents that keep to one kind of thing, as papers on drugs, diseases, genes or surgery do.
        labelled: probability that a thing is one that labelled training text may name.
        fact_names: the facts to choose from; all that a chemical has where empty.
    """

    facts: float
    plain: float
    neutral: float
    themed: float
    labelled: float
    fact_names: frozenset[str] = frozenset()


class Author:
    """Writes documents about a world. What it writes is a function of the draws it is given."""

    def __init__(self, world: World, mixture: Mixture) -> None:
        self._facts: Mapping[str, Facts] = world.facts
        self._mixture = mixture
        self._things: dict[tuple[Kind, bool], list[Thing]] = {
            (kind, labelled): [thing for thing in world.things[kind] if thing.in_labelled_text == labelled]
            for kind in KINDS
            for labelled in (True, False)
        }

    def passage(self, draws: Draws, num_sentences: int) -> Passage:
        """Write one document."""
        theme = (draws.pick(KINDS),) if draws.chance(self._mixture.themed) else KINDS
        topic = [self._thing(kind, draws) for kind in theme for _ in range(_NUM_TOPICS // len(theme))]
        title = self.fill(TITLE_MARK + draws.pick(TITLES), topic, draws)
        sentences = tuple(self._sentence(topic, draws) for _ in range(num_sentences))
        return Passage(title, sentences)

    def fact(self, draws: Draws) -> Sentence:
        """Write one sentence that states a fact."""
        chemical = self._thing("chemical", draws)
        name, other = draws.pick(self._facts_to_tell(chemical))
        return self.fill(draws.pick(FACTS[name]), (chemical, other), draws, name)

    def fill(self, template: str, things: Sequence[Thing], draws: Draws, fact: str = "") -> Sentence:
        """Put names and numbers into the slots; the first letter of the sentence becomes a capital."""
        pieces: list[str] = []
        mentions: list[Mention] = []
        length = 0
        for index, piece in enumerate(_SLOT.split(template)):
            filled = piece
            if index % 2:
                thing = self._for_slot(piece, things, mentions, draws)
                filled = _number(piece, draws) if thing is None else thing.name
                if thing is not None:
                    mentions.append(Mention(length, length + len(filled), thing))
            pieces.append(filled)
            length += len(filled)
        text = "".join(pieces)
        return Sentence(text[0].upper() + text[1:], tuple(mentions), fact)

    def _sentence(self, topic: Sequence[Thing], draws: Draws) -> Sentence:
        place = draws.below(1000) / 1000
        mixture = self._mixture
        theme = draws.pick(topic).kind
        if place < mixture.facts:
            return self.fact(draws)
        if place < mixture.facts + mixture.plain:
            return self.fill(draws.pick(PLAIN[theme]), topic, draws)
        if place < mixture.facts + mixture.plain + mixture.neutral:
            return self.fill(draws.pick(NEUTRAL), topic, draws)
        return self.fill(draws.pick(FILLER), topic, draws)

    def _facts_to_tell(self, chemical: Thing) -> list[tuple[str, Thing]]:
        facts = self._facts[chemical.id]
        told = [("treats", disease) for disease in facts.treats]
        told += [("causes", disease) for disease in facts.causes]
        told += [(relation, gene) for gene, relation in facts.targets]
        wanted = self._mixture.fact_names
        return [entry for entry in told if not wanted or entry[0] in wanted]

    def _thing(self, kind: Kind, draws: Draws) -> Thing:
        return draws.pick(self._things[kind, draws.chance(self._mixture.labelled)])

    def _for_slot(self, slot: str, things: Sequence[Thing], mentions: Sequence[Mention], draws: Draws) -> Thing | None:
        """Choose a thing that the sentence does not name yet; None for slots of numbers."""
        if slot != "any" and slot not in KINDS:
            return None
        named = {mention.thing.id for mention in mentions}
        fitting = [t for t in things if t.id not in named and slot in {"any", t.kind}]
        return draws.pick(fitting)


def _number(slot: str, draws: Draws) -> str:
    bounds = {"digit": (1, 9), "number": (2, 60), "hundreds": (100, 400)}
    return str(draws.between(*bounds[slot]))
