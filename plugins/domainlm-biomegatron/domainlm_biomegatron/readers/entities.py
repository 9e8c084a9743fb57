"""Readers of the named-entity tasks: the official PubTator files, or the tokenised IOB files made from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.reading import open_text, read_conll
from domainlm_biomegatron.readers.pubtator import TEXT_LINE, read_pubtator

_CHEMICAL = {"Chemical": "Chemical"}
_DISEASE = {"Disease": "Disease"}
# The literature takes the four types of the NCBI disease corpus as one; IOB files have that one only.
_NCBI_DISEASE = dict.fromkeys(("Disease", "SpecificDisease", "DiseaseClass", "Modifier", "CompositeMention"), "Disease")


def read_chemicals_and_diseases(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the sentences of a PubTator or an IOB file, with chemicals and diseases.

    Which of the two it is, is told from its first line that is not blank. Other types are left out.

    Raises:
        DataError: missing, empty, wrong encoding, in neither format, or annotated with other types only.
    """
    return _read(path, problems, _CHEMICAL | _DISEASE)


def read_chemicals(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream sentences as `read_chemicals_and_diseases` does, with chemicals alone."""
    return _read(path, problems, _CHEMICAL)


def read_diseases(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream sentences as `read_chemicals_and_diseases` does, with diseases alone."""
    return _read(path, problems, _DISEASE)


def read_ncbi_disease(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream sentences as `read_chemicals_and_diseases` does, with the four types of the NCBI disease corpus as one."""
    return _read(path, problems, _NCBI_DISEASE)


def _read(path: Path, problems: ProblemLog, types: Mapping[str, str]) -> Iterator[TokenExample]:
    """Stream sentences with the entities whose type is a key of `types`, under the name it has there."""
    found: Counter[str] = Counter()
    for example in read_pubtator(path, problems) if _is_pubtator(path) else read_conll(path, problems):
        found.update(entity.type for entity in example.entities)
        entities = sorted(
            {
                Entity(entity.start, entity.end, types[entity.type])
                for entity in example.entities
                if entity.type in types
            }
        )
        yield TokenExample(example.id, example.text, example.words, tuple(entities))
    if found and not types.keys() & found.keys():
        raise DataError(
            "annotates other types only",
            where=path,
            given=", ".join(sorted(found)),
            allowed=sorted(types),
            remedy="choose the task that the file is for, or the file that belongs to the task",
        )


def _is_pubtator(path: Path) -> bool:
    first = next((line for line in open_text(path) if line.strip()), "")
    return TEXT_LINE.match(first) is not None
