"""What writes the synthetic sample of a corpus or task spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from domainlm.api.field_checks import check_callable
from domainlm.api.field_names import with_known_fields
from domainlm.errors import SpecError


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class SampleWriter:
    """Writes a small synthetic data set in the format that the spec's reader reads.

    Attributes:
        write: `write(folder, seed, num_documents)` writes files below `folder` and returns them by split
            ("train", "dev", "test" for tasks; "text" for corpora). The same arguments give the same bytes.
        description: what the sample is made of, saying that it is synthetic.
    """

    write: Callable[[Path, int, int], Mapping[str, tuple[Path, ...]]]
    description: str

    def __post_init__(self) -> None:
        check_callable(self.write, "write", "SampleWriter", takes=("folder", "seed", "num_documents"))
        if not isinstance(self.description, str) or not self.description.strip():
            raise SpecError("needs a description", where="SampleWriter", remedy="say that the sample is synthetic")
