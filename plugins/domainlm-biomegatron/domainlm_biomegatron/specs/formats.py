"""Named-entity tasks on anybody's files, in the field's own formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainlm.api import ProblemLog, SampleWriter, TaskSpec, TokenExample
from domainlm_biomegatron.sample.writers import write_bc5cdr, write_bioc


def read_pubtator(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the sentences of a PubTator file, with mentions of all types."""
    from domainlm_biomegatron.readers.pubtator import read_pubtator as read

    return read(path, problems)


def read_bioc(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the sentences of a BioC collection, with mentions of all types."""
    from domainlm_biomegatron.readers.bioc import read_bioc as read

    return read(path, problems)


FORMATS = (
    TaskSpec(
        name="biomegatron/pubtator",
        description="named entities in PubTator files, of whatever types they hold",
        kind="token",
        read=read_pubtator,
        files={
            "train": ("train.PubTator.txt", "train.pubtator"),
            "dev": ("dev.PubTator.txt", "dev.pubtator"),
            "test": ("test.PubTator.txt", "test.pubtator"),
        },
        sample=SampleWriter(write=write_bc5cdr, description="synthetic PubTator documents, no real abstract"),
    ),
    TaskSpec(
        name="biomegatron/bioc",
        version=2,
        description="named entities in BioC collections, XML or JSON, of whatever types they hold",
        kind="token",
        read=read_bioc,
        files={
            "train": ("train.BioC.json", "train.BioC.xml", "train.json", "train.xml"),
            "dev": ("dev.BioC.json", "dev.BioC.xml", "dev.json", "dev.xml"),
            "test": ("test.BioC.json", "test.BioC.xml", "test.json", "test.xml"),
        },
        sample=SampleWriter(write=write_bioc, description="synthetic BioC documents, no real abstract"),
    ),
)
