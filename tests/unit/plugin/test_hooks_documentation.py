"""docs/reference/hooks.md says what the code says: every hook with its exact arguments, every field of every spec."""

from __future__ import annotations

import dataclasses
import inspect
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from domainlm import api, reading, testing
from domainlm.api.spec_base import SpecBase
from domainlm.plugin import hookspecs
from domainlm.plugin.checks import HOOKS
from domainlm.testing import check_plugin

_PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")
_COMMON_FIELDS = {"name", "description", "version"}
_DOCUMENTED_CLASSES = (
    "CorpusSpec",
    "VocabularySpec",
    "ModelSizeSpec",
    "TaskSpec",
    "RecipeSpec",
    "SampleWriter",
    "FetchPlan",
    "FetchSource",
    "FolderListing",
    "RemoteFile",
    "Details",
    "ArchiveMember",
    "Registration",
    "PairRules",
    "Document",
    "TokenExample",
    "Entity",
    "SequenceExample",
    "RelationExample",
    "Mention",
    "Relation",
    "SpanExample",
    "Answer",
    "Problem",
    "VocabularySettings",
    "OutputSpec",
    "ReferenceTable",
    "ReferenceRow",
    "TableLayout",
    "Finding",
    "Claim",
    "RunInfo",
    "StageInfo",
    "StepInfo",
    "CheckpointInfo",
    "Score",
    "RunSummary",
)


def _documented_hooks() -> dict[str, str]:
    return dict(re.findall(r"^### `(domainlm_\w+)(\(.*)`$", _PAGE, re.MULTILINE))


def _documented_fields(name: str) -> list[str]:
    section = re.search(rf"^### `{name}`\n(.*?)(?=^##|\Z)", _PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, f"no section on {name}"
    return re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)


def test_every_hook_is_documented_and_no_other() -> None:
    assert set(_documented_hooks()) == set(HOOKS)
    assert len(HOOKS) == 14


@pytest.mark.parametrize("hook", HOOKS)
def test_documented_signature_is_the_hooks_own(hook: str) -> None:
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert _documented_hooks().get(hook) == signature


@pytest.mark.parametrize("name", _DOCUMENTED_CLASSES)
def test_documented_fields_are_the_classes_own(name: str) -> None:
    fields = [field.name for field in dataclasses.fields(getattr(api, name))]
    if issubclass(getattr(api, name), SpecBase):
        fields = [field for field in fields if field not in _COMMON_FIELDS]
    assert _documented_fields(name) == fields


def test_a_log_of_problems_is_documented() -> None:
    assert _documented_fields("ProblemLog") == sorted(vars(api.ProblemLog()))


def test_everything_of_the_interface_is_on_the_page() -> None:
    public = {name for name in api.__all__ if inspect.isclass(getattr(api, name))}
    assert {name for name in public if not re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", _PAGE)} == set()


@pytest.mark.parametrize("module", [reading, testing])
def test_every_function_for_plugins_is_on_the_page(module: ModuleType) -> None:
    public = [name for name in module.__all__ if inspect.isfunction(getattr(module, name))]
    rows = _PAGE.partition(f"### `{module.__name__}`\n")[2].partition("\n#")[0]
    assert re.findall(r"^\| `(\w+)\(", rows, re.MULTILINE) == public


def test_fields_that_all_specs_share_are_documented_once() -> None:
    section = re.search(r"^## Specs\n(.*?)(?=^###)", _PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert set(re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)) == _COMMON_FIELDS


@pytest.mark.parametrize("hook", HOOKS)
def test_every_argument_is_explained_in_the_hook_itself(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert [name for name in HOOKS[hook] if f"    {name}: " not in text] == []


def test_the_example_on_the_page_is_a_sound_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, module = re.findall(r"^```(?:toml|python)\n# \S+\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
    entry = tomllib.loads(project)["project"]["entry-points"]["domainlm"]["harbour"]
    file = tmp_path.joinpath(*entry.split(".")).with_suffix(".py")
    file.parent.mkdir()
    file.write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert check_plugin(entry).checked == ("harbour/dinghy@1",)
