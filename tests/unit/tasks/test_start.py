"""Which weights of a start a task takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from domainlm.model.files import save_model
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.start import open_start, take_weights
from domainlm.tasks.token.head import TokenModel

HEAD = HeadSettings(num_fc_layers=2, fc_hidden=16)
TYPES = ["place", "ship"]


@pytest.fixture
def fine_tuned(start_folder: Path, tmp_path: Path) -> Path:
    """A model folder of kind "token" whose weights are all its own."""
    start = open_start(start_folder, 32)
    model = TokenModel(start.config, 5, HEAD)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.fill_(number / 7)
    extra = {"kind": "token", "head": {"num_fc_layers": 2, "fc_hidden": 16, "dropout": 0.5}, "types": TYPES}
    save_model(tmp_path / "model", model, start.config, extra)
    start.vocabulary.save(tmp_path / "model")
    return tmp_path / "model"


def _taken(folder: Path, head: HeadSettings, num_labels: int, types: list[str]) -> tuple[bool, bool]:
    """Whether the encoder and the head have the start's weights."""
    start = open_start(folder, 32)
    model = TokenModel(start.config, num_labels, head)
    take_weights(model, start, 0, kind="token", head=head, types=[*types])
    numbers = {name: number / 7 for number, (name, _) in enumerate(model.named_parameters())}
    same = {name: bool((each == numbers[name]).all()) for name, each in model.named_parameters()}
    encoder = [each for name, each in same.items() if name.startswith("encoder.")]
    return all(encoder), all(each for name, each in same.items() if name.startswith("head."))


def test_a_head_of_the_same_shape_and_labels_comes_along(fine_tuned: Path) -> None:
    assert _taken(fine_tuned, HEAD, 5, TYPES) == (True, True)


@pytest.mark.parametrize(
    ("head", "num_labels", "types", "told"),
    [
        (HeadSettings(num_fc_layers=2, fc_hidden=8), 5, TYPES, "head.fc_hidden"),
        (HeadSettings(num_fc_layers=1), 5, TYPES, "head.num_fc_layers"),
        (HEAD, 3, ["ship"], "types"),
        (HEAD, 5, ["ship", "place"], "types"),
    ],
)
def test_another_head_is_drawn_anew_and_said_so(
    fine_tuned: Path, head: HeadSettings, num_labels: int, types: list[str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert _taken(fine_tuned, head, num_labels, types) == (True, False)
    assert told in caplog.text


def test_the_head_of_another_kind_stays_behind(fine_tuned: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = fine_tuned / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"kind": "span"}))
    assert _taken(fine_tuned, HEAD, 5, TYPES) == (True, False)
    assert not caplog.text
