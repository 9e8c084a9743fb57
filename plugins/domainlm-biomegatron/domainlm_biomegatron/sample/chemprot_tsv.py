"""Passages as the four files of a ChemProt split (BioCreative VI): abstracts, entities, relations, gold standard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from domainlm_biomegatron.sample.compose import Mention, Passage
from domainlm_biomegatron.sample.pubmed_xml import pmid_of

# Group, whether the group is evaluated (with the blank that the official files have after it), type.
_RELATIONS: Mapping[str, tuple[str, str, str]] = {
    "activator": ("CPR:3", "Y ", "ACTIVATOR"),
    "upregulator": ("CPR:3", "Y ", "INDIRECT-UPREGULATOR"),
    "inhibitor": ("CPR:4", "Y ", "INHIBITOR"),
    "downregulator": ("CPR:4", "Y ", "INDIRECT-DOWNREGULATOR"),
    "agonist": ("CPR:5", "Y ", "AGONIST"),
    "antagonist": ("CPR:6", "Y ", "ANTAGONIST"),
    "substrate": ("CPR:9", "Y ", "SUBSTRATE"),
    "product": ("CPR:9", "Y ", "PRODUCT-OF"),
    "regulator": ("CPR:2", "N ", "REGULATOR"),
    "not": ("CPR:10", "N ", "NOT"),
    "part": ("CPR:1", "N ", "PART-OF"),
}
GENE_FACTS = frozenset(_RELATIONS)
_FAMILY_EVERY = 3  # one gene in three counts as a family of genes (GENE-N)


@dataclass(slots=True)
class ChemprotFiles:
    """The text of each file of one split."""

    abstracts: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)
    relations: list[str] = field(default_factory=list)
    gold_standard: list[str] = field(default_factory=list)


def chemprot_files(passages: Iterable[tuple[int, Passage]]) -> ChemprotFiles:
    """Return the lines of the four files; `passages` are given with their numbers."""
    files = ChemprotFiles()
    for number, passage in passages:
        pmid = pmid_of(number)
        files.abstracts.append(f"{pmid}\t{passage.title.text}\t{passage.abstract}")
        terms = _terms(passage)
        for place, (term, mention) in terms.items():
            name = passage.text[place : mention.end]
            files.entities.append(f"{pmid}\t{term}\t{_type_of(mention)}\t{place}\t{mention.end}\t{name}")
        for sentence, offset in passage.placed():
            if sentence.fact not in GENE_FACTS:
                continue
            group, evaluated, relation = _RELATIONS[sentence.fact]
            chemical, _ = terms[sentence.mention_of("chemical").start + offset]
            gene, _ = terms[sentence.mention_of("gene").start + offset]
            arguments = f"Arg1:{chemical}\tArg2:{gene}"
            files.relations.append(f"{pmid}\t{group}\t{evaluated}\t{relation}\t{arguments}")
            if evaluated == "Y ":
                files.gold_standard.append(f"{pmid}\t{group}\t{arguments}")
    return files


def _terms(passage: Passage) -> dict[int, tuple[str, Mention]]:
    """Return term number and mention by offset: T1, T2, ..., chemicals first, as in the official files."""
    mentions = [
        mention for kind in ("chemical", "gene") for mention in passage.mentions() if mention.thing.kind == kind
    ]
    return {mention.start: (f"T{index}", mention) for index, mention in enumerate(mentions, start=1)}


def _type_of(mention: Mention) -> str:
    if mention.thing.kind == "chemical":
        return "CHEMICAL"
    return "GENE-N" if int(mention.thing.id[3:]) % _FAMILY_EVERY == 0 else "GENE-Y"
