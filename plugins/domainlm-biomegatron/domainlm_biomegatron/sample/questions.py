"""Questions that a sentence of the synthetic world answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domainlm_biomegatron.sample.compose import Mention, Passage, Sentence
from domainlm_biomegatron.sample.names import Kind

# For each fact: what is asked, and the kind of thing that answers it.
_QUESTIONS: Mapping[str, tuple[tuple[str, Kind], ...]] = {
    "treats": (
        ("Which disease is treated with {chemical}?", "disease"),
        ("What is used against {disease}?", "chemical"),
    ),
    "causes": (("Which disease can be caused by {chemical}?", "disease"), ("What can cause {disease}?", "chemical")),
    "activator": (("Which gene product is activated by {chemical}?", "gene"),),
    "upregulator": (("Which gene product does {chemical} increase?", "gene"),),
    "inhibitor": (("Which gene product is inhibited by {chemical}?", "gene"), ("What inhibits {gene}?", "chemical")),
    "downregulator": (("Which gene product does {chemical} decrease?", "gene"),),
    "agonist": (("Where does the agonist {chemical} act?", "gene"),),
    "antagonist": (("Where does the antagonist {chemical} act?", "gene"),),
    "substrate": (("Which gene product metabolises {chemical}?", "gene"),),
    "product": (("Which gene product makes {chemical}?", "gene"),),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the place of its answer.

    Attributes:
        text: the question.
        fact: what it asks about (a key of FACTS).
        sentence: the sentence that answers it.
        offset: of that sentence in the passage's abstract.
        answer: the answer, with offsets in the sentence.
    """

    text: str
    fact: str
    sentence: Sentence
    offset: int
    answer: Mention


def questions_of(passage: Passage) -> Iterator[Question]:
    """Yield the questions that the abstract answers, those left out that it answers in two ways."""
    found: dict[str, list[Question]] = {}
    for sentence, offset in list(passage.placed())[1:]:
        in_abstract = offset - len(passage.title.text) - 1
        for text, kind in _QUESTIONS.get(sentence.fact, ()):
            names: dict[str, str] = {mention.thing.kind: mention.thing.name for mention in sentence.mentions}
            asked = text.format_map(names)
            answer = sentence.mention_of(kind)
            found.setdefault(asked, []).append(Question(asked, sentence.fact, sentence, in_abstract, answer))
    for same in found.values():
        if len({question.answer.thing.id for question in same}) == 1:
            yield same[0]


def hex_id(*key: str | int) -> str:
    """Return 24 hexadecimal digits for a key, the shape of SQuAD's and BioASQ's question ids."""
    return hashlib.sha256("/".join(map(str, key)).encode()).hexdigest()[:24]
