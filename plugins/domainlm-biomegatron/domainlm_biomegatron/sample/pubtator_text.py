"""Passages as PubTator files, in the manner of BC5CDR and of the NCBI disease corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from domainlm_biomegatron.sample.compose import Passage
from domainlm_biomegatron.sample.names import Kind
from domainlm_biomegatron.sample.pubmed_xml import pmid_of

BC5CDR_TYPES: Mapping[Kind, str] = {"chemical": "Chemical", "disease": "Disease"}
NCBI_TYPES: Mapping[Kind, str] = {"disease": "SpecificDisease"}


def pubtator_text(passages: Iterable[tuple[int, Passage]], types: Mapping[Kind, str], *, relations: bool) -> str:
    """Return the text of one file.

    Args:
        passages: each with its number, which gives its PMID.
        types: the kinds of things that are annotated, with the names of their types.
        relations: add a CID line for each cause that a document states (chemical-induced disease, as BC5CDR has).
    """
    documents = []
    for number, passage in passages:
        lines = [*_text_lines(number, passage), *_mention_lines(number, passage, types)]
        if relations:
            lines += _relation_lines(number, passage)
        documents.append("".join(f"{line}\n" for line in lines))
    return "\n".join(documents)


def _text_lines(number: int, passage: Passage) -> Iterator[str]:
    yield f"{pmid_of(number)}|t|{passage.title.text}"
    yield f"{pmid_of(number)}|a|{passage.abstract}"


def _mention_lines(number: int, passage: Passage, types: Mapping[Kind, str]) -> Iterator[str]:
    text = passage.text
    for mention in passage.mentions():
        if mention.thing.kind in types:
            name, entity_type = text[mention.start : mention.end], types[mention.thing.kind]
            yield f"{pmid_of(number)}\t{mention.start}\t{mention.end}\t{name}\t{entity_type}\t{mention.thing.id}"


def _relation_lines(number: int, passage: Passage) -> Iterator[str]:
    """Yield the causes that the document states, each once, in the order in which it states them."""
    told = dict.fromkeys(
        (sentence.mention_of("chemical").thing.id, sentence.mention_of("disease").thing.id)
        for sentence in passage.sentences
        if sentence.fact == "causes"
    )
    for chemical, disease in told:
        yield f"{pmid_of(number)}\tCID\t{chemical}\t{disease}"
