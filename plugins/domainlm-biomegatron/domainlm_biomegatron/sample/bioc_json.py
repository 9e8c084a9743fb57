"""Passages as a BioC collection in JSON: title and abstract are passages of a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from domainlm_biomegatron.sample.compose import Passage
from domainlm_biomegatron.sample.names import Kind
from domainlm_biomegatron.sample.pubmed_xml import pmid_of


def bioc_data(passages: Iterable[tuple[int, Passage]], types: Mapping[Kind, str]) -> dict[str, Any]:
    """Return a whole collection.

    Args:
        passages: each with its number, which gives its PMID.
        types: the kinds of things that are annotated, with the names of their types.
    """
    return {"source": "synthetic", "documents": [_document(number, passage, types) for number, passage in passages]}


def _document(number: int, passage: Passage, types: Mapping[Kind, str]) -> dict[str, Any]:
    title = passage.title.text
    parts = ((0, title), (len(title) + 1, passage.abstract))
    return {
        "id": pmid_of(number),
        "passages": [
            {"offset": offset, "text": text, "annotations": _annotations(passage, offset, offset + len(text), types)}
            for offset, text in parts
        ],
    }


def _annotations(passage: Passage, start: int, end: int, types: Mapping[Kind, str]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(place),
            "infons": {"type": types[mention.thing.kind], "identifier": mention.thing.id},
            "text": passage.text[mention.start : mention.end],
            "locations": [{"offset": mention.start, "length": mention.end - mention.start}],
        }
        for place, mention in enumerate(passage.mentions())
        if mention.thing.kind in types and start <= mention.start < end
    ]
