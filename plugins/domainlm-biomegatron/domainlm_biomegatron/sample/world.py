"""The things of the synthetic world and what is true of them. The same for every seed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from domainlm_biomegatron.sample.draws import Draws
from domainlm_biomegatron.sample.names import Kind, invent_names

KINDS: tuple[Kind, ...] = ("chemical", "disease", "gene", "procedure")
_COUNTS: Mapping[Kind, int] = {"chemical": 120, "disease": 120, "gene": 60, "procedure": 60}
_LABELLED_EVERY = 2  # one thing in two may occur in labelled training documents
# ChemProt's relation groups and types, as often as a chemical of this world has each.
GENE_RELATIONS = ("activator", "upregulator", "inhibitor", "inhibitor", "downregulator", "agonist", "antagonist",
                  "substrate", "product", "regulator", "not", "part")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that has a name.

    Attributes:
        id: unique, shaped like an identifier of MeSH; the real ones do not begin with D99.
        kind: what sort of thing it is.
        name: in lower case; one or two words.
        in_labelled_text: whether labelled training documents may name it. The others are met in pretraining text and
            in dev and test documents.
    """

    id: str
    kind: Kind
    name: str
    in_labelled_text: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of one chemical.

    Attributes:
        treats: diseases it is given for.
        causes: diseases it brings about.
        targets: genes with what it does to them (one of `GENE_RELATIONS`).
    """

    treats: tuple[Thing, ...]
    causes: tuple[Thing, ...]
    targets: tuple[tuple[Thing, str], ...]


@dataclass(frozen=True, slots=True)
class World:
    """All things by kind, and the facts of each chemical by its id."""

    things: Mapping[Kind, tuple[Thing, ...]]
    facts: Mapping[str, Facts]


@functools.cache
def the_world() -> World:
    """Return the world; it is made once."""
    things: dict[Kind, tuple[Thing, ...]] = {}
    taken: set[str] = set()
    for number, kind in enumerate(KINDS, start=1):
        names = invent_names(kind, _COUNTS[kind], taken)
        taken.update(word for name in names for word in name.split())
        things[kind] = tuple(
            Thing(f"D99{number}{index:04}", kind, name, index % _LABELLED_EVERY == 0)
            for index, name in enumerate(names)
        )
    return World(things, {chemical.id: _facts_of(chemical, things) for chemical in things["chemical"]})


def _facts_of(chemical: Thing, things: Mapping[Kind, tuple[Thing, ...]]) -> Facts:
    draws = Draws("facts", chemical.id)
    # A chemical is linked to things of its own side only, so that labelled documents name no others.
    near = {kind: [t for t in things[kind] if t.in_labelled_text == chemical.in_labelled_text] for kind in KINDS}
    diseases = draws.shuffled(near["disease"])
    genes = draws.shuffled(near["gene"])
    targets = tuple((gene, draws.pick(GENE_RELATIONS)) for gene in genes[:3])
    return Facts(tuple(diseases[:2]), tuple(diseases[2:4]), targets)
