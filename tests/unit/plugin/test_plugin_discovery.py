"""Finding plugins by the entry points of installed distributions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from domainlm.plugin import Provider, load_plugins
from domainlm.plugin.discovery import DISABLE_VARIABLE, installed_candidates


def _install(folder: Path, distribution: str, module: str, code: str) -> None:
    """Lay out what an installer would: the module and the distribution's metadata."""
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    metadata = folder / f"{distribution.replace('-', '_')}-2.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[domainlm]\nmain = {module}\n", encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)
    return tmp_path


_SIZE = """
from domainlm import hookimpl
from domainlm.api import ModelSizeSpec

@hookimpl
def domainlm_model_sizes():
    return [ModelSizeSpec(name="ferry/small", description="a ferry", layers=1, hidden=32, heads=2)]
"""


def test_an_installed_plugin_is_found_with_its_version(site: Path) -> None:
    _install(site, "domainlm-ferry", "ferry_plugin_found", _SIZE)

    loaded = load_plugins()

    entry = loaded.registry.model_sizes["ferry/small"]
    assert entry.provider == Provider("domainlm-ferry", "2.0", "main")


def test_an_installed_plugin_that_cannot_be_imported_is_named_with_its_line(site: Path) -> None:
    _install(site, "domainlm-wreck", "wreck_plugin", "import sys\n\nimport no_such_sextant\n")

    broken = load_plugins(strict=False).broken

    ours = [plugin for plugin in broken if plugin.provider.distribution == "domainlm-wreck"]
    assert len(ours) == 1
    assert "plugin domainlm-wreck 2.0: " in str(ours[0].error)
    assert "No module named 'no_such_sextant'" in str(ours[0].error)
    assert f"{site / 'wreck_plugin.py'}:3" in str(ours[0].error)


@pytest.mark.parametrize(
    ("named", "told", "remedy"),
    [
        ("no_such_ferry", "No module named 'no_such_ferry'", "correct its entry point: this module is the one that"),
        ("no such ferry", 'the entry point "main" names no module', 'allowed: "package.module", or "package.module:'),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_told_so(site: Path, named: str, told: str, remedy: str) -> None:
    _install(site, "domainlm-ferry", named, _SIZE)
    (site / f"{named}.py").unlink()

    (ours,) = [each for each in load_plugins(strict=False).broken if each.provider.distribution == "domainlm-ferry"]

    assert str(ours.error).startswith(f"plugin domainlm-ferry 2.0: {told}" if " " in named else "plugin domainlm-ferry")
    assert told in str(ours.error)
    assert remedy in str(ours.error)
    assert "AttributeError" not in str(ours.error)


@pytest.mark.parametrize("missing", ["domainlm.no_such_part", "email.no_such_part"])
def test_a_part_that_a_package_lacks_is_not_to_be_installed(site: Path, missing: str) -> None:
    _install(site, "domainlm-wreck", "wreck_of_parts", f"import {missing}\n")

    (ours,) = [each for each in load_plugins(strict=False).broken if each.provider.distribution == "domainlm-wreck"]

    package = missing.partition(".")[0]
    assert str(ours.error.remedy).startswith(f"correct the name, or install a version of {package} that has it")


def test_a_plugin_whose_metadata_is_gone_does_not_stop_the_others(site: Path) -> None:
    _install(site, "domainlm-ferry", "ferry_plugin_kept", _SIZE)
    _install(site, "domainlm-wreck", "wreck_without_metadata", "")
    (site / "domainlm_wreck-2.0.dist-info" / "METADATA").unlink()

    plugins = load_plugins(strict=False)

    assert "ferry/small" in plugins.registry.model_sizes
    assert Provider("wreck-without-metadata", "(no version)", "main") in [each.provider for each in plugins.broken]


def test_a_spec_wrong_at_import_keeps_its_own_explanation(site: Path) -> None:
    code = _SIZE.replace(
        "@hookimpl", "ModelSizeSpec(name='Ferry', description='x', layers=1, hidden=2, heads=1)\n@hookimpl"
    )
    _install(site, "domainlm-ferry", "ferry_plugin_wrong", code)

    broken = {plugin.provider.distribution: plugin.error for plugin in load_plugins(strict=False).broken}

    message = str(broken["domainlm-ferry"])
    line = code[: code.index("ModelSizeSpec(name='Ferry'")].count("\n") + 1
    place = f"{site / 'ferry_plugin_wrong.py'}:{line}"
    assert message.startswith(f"plugin domainlm-ferry 2.0, {place}: ModelSizeSpec 'Ferry': not a spec name")
    assert 'allowed: "namespace/name" in lower-case letters' in message


def test_a_disabled_plugin_is_not_even_imported(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(site, "domainlm-ferry", "ferry_plugin_disabled", _SIZE)
    monkeypatch.setenv(DISABLE_VARIABLE, "domainlm_ferry")

    loaded = load_plugins(strict=False)

    assert Provider("domainlm-ferry", "2.0", "main") in loaded.disabled
    assert "ferry_plugin_disabled" not in sys.modules


def test_candidates_are_sorted(site: Path) -> None:
    for name in ("domainlm-zeta", "domainlm-alpha"):
        _install(site, name, f"plugin_{name[9:]}", _SIZE)

    names = [candidate.provider.distribution for candidate in installed_candidates()]

    assert names == sorted(names)
    assert {"domainlm-alpha", "domainlm-zeta"} <= set(names)
