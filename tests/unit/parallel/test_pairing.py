"""fairscale beside torch."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

from domainlm.cli.doctor.compute import pairing_facts
from domainlm.parallel.pairing import PARTS, check_pairing


def test_the_installed_pair_works() -> None:
    pairing = check_pairing()

    assert (pairing.torch, pairing.fairscale) == (version("torch"), version("fairscale"))
    assert pairing.broken == {}


def test_a_part_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PARTS["pipeline"], None)

    assert set(check_pairing().broken) == {"pipeline"}
    (fact,) = pairing_facts()
    assert "no pipeline: " in fact.value
    assert fact.remedy


def test_a_fairscale_that_fails_as_a_whole_is_broken_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domainlm.parallel.pairing.find_spec", lambda _: object())
    monkeypatch.setitem(sys.modules, "fairscale", None)

    assert set(check_pairing().broken) == set(PARTS)


def test_a_missing_fairscale_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domainlm.parallel.pairing.find_spec", lambda _: None)

    assert check_pairing().fairscale is None
    (fact,) = pairing_facts()
    assert fact.remedy == "pip install fairscale"
