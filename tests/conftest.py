"""Fixtures for the whole suite."""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hypothesis
import pytest

# A busy machine is no bug of the code under test; pytest-timeout catches what hangs.
hypothesis.settings.register_profile("domainlm", deadline=None)
hypothesis.settings.load_profile("domainlm")

# Where the suite is started in the background, Ctrl-C is ignored, and our own children would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_DATA_MARKER = "SHA256SUMS"
_VARIABLES = {name: os.environ[name] for name in ("DOMAINLM_DATA", "DOMAINLM_MODEL") if name in os.environ}


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real public data sets; the test is skipped where it is not at hand."""
    named = _VARIABLES.get("DOMAINLM_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / _DATA_MARKER).is_file():
        pytest.skip(f"needs the real data sets: set DOMAINLM_DATA to their folder (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def write_dataset() -> Callable[..., None]:
    """Writes documents, given as sentences of ids, as an indexed dataset: `PREFIX.bin` and `PREFIX.idx`."""
    import numpy as np

    from domainlm.text.indexed import bin_path, idx_path, write_index

    def write(prefix: Path, documents: Sequence[Sequence[Sequence[int]]], dtype: str = "<u2") -> None:
        lengths = np.array([len(sentence) for document in documents for sentence in document])
        ids = [token for document in documents for sentence in document for token in sentence]
        bin_path(prefix).write_bytes(np.array(ids, dtype).tobytes())
        with idx_path(prefix).open("wb") as index:
            write_index(index, np.dtype(dtype), lambda: iter([(lengths, np.array([len(each) for each in documents]))]))

    return write


@pytest.fixture
def folders_refuse_to_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """As some network file systems do: files are synced, folders are an invalid argument."""
    sync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.fixture(autouse=True)
def no_variables_from_outside() -> Iterator[None]:
    """What a recipe's variables take from the environment is the test's affair, not that of who starts the suite."""
    for name in _VARIABLES:
        os.environ.pop(name, None)
    yield
    os.environ.update(_VARIABLES)


@pytest.fixture(autouse=True)
def logger_level() -> Iterator[None]:
    """A command that was called with -q in one test must not silence the next."""
    logger = logging.getLogger("domainlm")
    level = logger.level
    yield
    logger.setLevel(level)
