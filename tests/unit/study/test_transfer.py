"""`domainlm.transfer`: from a program to scores, curves and a model, stopped and gone on with."""

from __future__ import annotations

import json
import pickle
import re
import runpy
import signal
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import domainlm
from domainlm import Budget, cancellation
from domainlm.api import Score, StageInfo, StepInfo
from domainlm.errors import ModelError, StorageError, UserError
from domainlm.model.files import read_config
from domainlm.study.transfer_recipe import transfer_recipe
from domainlm.study.transfer_result import TransferResult

SETTINGS: dict[str, Any] = {
    "model.size": "core/tiny",
    "pretraining.num_sequences_per_step": 4,
    "pretraining.num_sequences_per_micro_batch": 4,
    "pretraining.max_tokens": 16,
    "finetuning.num_epochs": 1,
    "finetuning.max_tokens": 16,
    "runtime.num_threads": 1,
    "corpus.held_out_share": 0.2,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_ships: Callable[[Path], None]) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_ships(folder)
    return folder


def adapt(data: Path, out: Path, **changes: Any) -> TransferResult:  # noqa: ANN401
    task = {"spec": "core/conll", "name": "ships", "folder": data}
    arguments: dict[str, Any] = {
        "base": None,
        "corpus": data / "logs.txt",
        "budget": 2,
        "vocabulary": 80,
        "tasks": [task],
        "settings": SETTINGS,
    }
    return domainlm.transfer(out=out, **(arguments | changes))


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TransferResult, list[StepInfo | StageInfo]]:
    told: list[StepInfo | StageInfo] = []
    return adapt(data, tmp_path_factory.mktemp("first") / "ships", progress=told.append), told


def test_it_gives_scores_curves_models_and_a_report(
    first: tuple[TransferResult, list[StepInfo | StageInfo]], tmp_path: Path
) -> None:
    result, told = first
    assert result.status == "complete"
    assert 0.0 <= result.score("f1", "ships") <= 1.0
    assert result.score("masked_lm_loss", "core/text", "held-out") > 0.0
    with pytest.raises(UserError, match="f1 of ships, test"):
        result.score("f2", "ships")
    assert [line["step"] for line in result.curves["pretrain core/text"]] == [1, 2]
    assert set(result.curves) == {"pretrain core/text", "finetune ships, seed 0"}
    assert set(result.models) == {"language-model", "ships-seed-0"}
    assert read_config(result.model).kind == "pretraining"
    assert result.report().startswith("# ")
    assert [each.step for each in told if isinstance(each, StepInfo) and each.phase == "pretrain"] == [1, 2]
    assert {"corpus", "pretrain", "finetune"} <= {each.kind for each in told if isinstance(each, StageInfo)}
    exported = result.to_huggingface(tmp_path / "tagger", model="ships-seed-0")
    assert exported.architecture == "MegatronBertForTokenClassification"
    assert "| ships | test | f1 |" in (tmp_path / "tagger" / "README.md").read_text("utf-8")
    with pytest.raises(UserError, match="no such model"):
        result.to_huggingface(tmp_path / "none", model="boats")


def test_two_lines_of_the_readme_load_what_is_exported(
    first: tuple[TransferResult, list[StepInfo | StageInfo]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    readme = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    (lines,) = re.findall(r"```python\n(from transformers [^`]*)```", readme)
    assert lines.count("from_pretrained(") == 2
    first[0].to_huggingface(tmp_path / "contracts-tagger", model="ships-seed-0")
    (tmp_path / "load.py").write_text(lines, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = runpy.run_path("load.py")
    assert loaded["model"].config.id2label == {0: "O", 1: "B-Ship", 2: "I-Ship"}
    assert len(loaded["tokenizer"]) == loaded["model"].config.vocab_size


def test_the_recipe_it_leaves_does_the_same(
    first: tuple[TransferResult, list[StepInfo | StageInfo]], tmp_path: Path
) -> None:
    result, _ = first
    store = result.out / "artifacts"
    again = domainlm.run(result.out / "transfer.toml", out=tmp_path, store=store)
    assert again.num_stages_cached == len([*store.glob("*/*/manifest.json")])
    assert (tmp_path / "results.json").read_bytes() == (result.out / "results.json").read_bytes()


def test_its_model_is_the_base_of_another_one(
    first: tuple[TransferResult, list[StepInfo | StageInfo]], data: Path, tmp_path: Path
) -> None:
    general = {"spec": "core/text", "files": [data / "logs.txt"], "held_out_share": 0.2}
    changes = {"base": first[0].model, "vocabulary": None, "tasks": (), "general": general}
    settings = {key: value for key, value in SETTINGS.items() if key != "model.size"}
    result = adapt(data, tmp_path / "further", **changes, settings=settings, budget=Budget(tokens=3 * 64 + 5))
    assert len(result.curves["pretrain core/text"]) == 3
    losses = [score.protocol for score in result.scores if score.metric == "masked_lm_loss"]
    assert sorted(protocol.endswith("before pretraining") for protocol in losses) == [False, False, True, True]


def test_a_cancelled_one_goes_on(
    first: tuple[TransferResult, list[StepInfo | StageInfo]], data: Path, tmp_path: Path
) -> None:
    steps: list[StepInfo] = []

    def remember(told: StepInfo | StageInfo) -> None:
        if isinstance(told, StepInfo):
            steps.append(told)

    stopped = adapt(data, tmp_path / "ships", progress=remember, cancelled=lambda: len(steps) == 1)
    assert (stopped.status, stopped.scores, len(steps)) == ("cancelled", (), 1)
    assert [*(stopped.out / "artifacts" / "pretrain").glob("*.partial/checkpoints/step-00000001")]
    with pytest.raises(UserError, match="was cancelled"):
        stopped.report()
    whole = adapt(data, tmp_path / "ships")
    for name in ("language-model", "ships-seed-0"):
        assert (whole.models[name] / "model.safetensors").read_bytes() == (
            first[0].models[name] / "model.safetensors"
        ).read_bytes()


def test_a_handler_of_the_program_does_not_keep_it_from_being_cancelled(data: Path, tmp_path: Path) -> None:
    steps: list[StepInfo | StageInfo] = []
    is_stopping: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: is_stopping.append(number))
    try:
        progress = {"progress": steps.append, "cancelled": lambda: any(isinstance(each, StepInfo) for each in steps)}
        stopped = adapt(data, tmp_path / "ships", tasks=(), **progress)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (stopped.status, is_stopping) == ("cancelled", [])
    assert sum(isinstance(each, StepInfo) for each in steps) == 1
    assert [*(stopped.out / "artifacts" / "pretrain").glob("*.partial/checkpoints/step-00000001")]


@pytest.fixture
def asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "_SECONDS_BETWEEN_ASKING", 0.0)


@pytest.mark.usefixtures("asked_at_once")
def test_it_is_asked_within_every_long_stage(data: Path, tmp_path: Path) -> None:
    asked: list[int] = [0]
    within: dict[str, int] = {}

    def told(info: StepInfo | StageInfo) -> None:
        if isinstance(info, StageInfo):
            within[info.kind] = asked[-1]
        asked.append(-1)  # for the one that follows

    def is_cancelled() -> bool:
        asked[-1] += 1
        return False

    adapt(data, tmp_path / "ships", budget=0, progress=told, cancelled=is_cancelled)
    assert {"corpus", "vocabulary", "encode", "lm-score", "finetune"} <= {kind for kind, num in within.items() if num}


@pytest.mark.usefixtures("asked_at_once")
def test_a_stage_that_is_cancelled_leaves_nothing_half_written(
    first: tuple[TransferResult, list[StepInfo | StageInfo]], data: Path, tmp_path: Path
) -> None:
    kinds: list[str] = []

    def remember(told: StepInfo | StageInfo) -> None:
        kinds.append(told.kind if isinstance(told, StageInfo) else told.phase)

    def cancelled_after(*done: str) -> TransferResult:
        kinds.clear()
        # asked once right after what is told: the time after that is in the next stage
        asked: list[int] = []

        def is_cancelled() -> bool:
            asked.append(len(kinds))
            return {*done} <= {*kinds} and asked.count(len(kinds)) > 1

        return adapt(data, tmp_path / "ships", progress=remember, cancelled=is_cancelled)

    stopped = [cancelled_after(*done) for done in ((), ("corpus",), ("vocabulary",), ("encode",), ("pretrain",))]
    assert [result.status for result in stopped] == ["cancelled"] * 5
    assert not (tmp_path / "ships" / "results.json").exists()
    whole = adapt(data, tmp_path / "ships", progress=remember)
    assert whole.scores == first[0].scores
    store = [each.relative_to(whole.out) for each in (whole.out / "artifacts").glob("*/*/*")]
    assert sorted(store) == sorted(
        each.relative_to(first[0].out) for each in (first[0].out / "artifacts").glob("*/*/*")
    )


def test_in_a_thread_the_step_in_work_is_saved_too(data: Path, tmp_path: Path) -> None:
    steps: list[StepInfo | StageInfo] = []
    arguments = {"progress": steps.append, "cancelled": lambda: any(isinstance(each, StepInfo) for each in steps)}
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(lambda: adapt(data, tmp_path / "ships", tasks=(), **arguments)).result()
    assert stopped.status == "cancelled"
    assert sum(isinstance(each, StepInfo) for each in steps) == 1
    assert [*(stopped.out / "artifacts" / "pretrain").glob("*.partial/checkpoints/step-00000001")]


def test_a_budget_in_minutes_decides_the_steps_once(data: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "pretraining.num_steps": 5}
    result = adapt(data, tmp_path / "ships", budget=Budget(minutes=0.02), tasks=(), settings=settings)
    (budget,) = (result.out / "artifacts" / "pretrain").glob("*/budget.json")
    found = json.loads(budget.read_text("utf-8"))
    assert found["num_timed_steps"] >= 2
    assert len(result.curves["pretrain core/text"]) == found["num_steps"] <= 5
    assert {score.extra["steps"] for score in result.scores} == {found["num_steps"]}


def test_it_trains_on_a_grid(data: Path, tmp_path: Path) -> None:
    steps: list[StepInfo | StageInfo] = []
    settings = {**SETTINGS, "pretraining.num_sequences_per_micro_batch": 2}
    result = adapt(data, tmp_path / "ships", grid={"data": 2}, tasks=(), settings=settings, progress=steps.append)
    assert [each.step for each in steps if isinstance(each, StepInfo)] == [1, 2]
    assert "[parallel]\ndata = 2" in (result.out / "transfer.toml").read_text("utf-8")
    with pytest.raises(UserError, match=r"parallel\.data"):
        adapt(data, tmp_path / "other", grid={"data": 0}, tasks=())


def test_a_score_is_of_one_protocol_and_a_mean_over_seeds(tmp_path: Path) -> None:
    def f1(protocol: str, seed: int, value: float, **extra: object) -> Score:
        common = {"stage": "finetune", "task": "core/conll", "dataset": "ships", "split": "test", "metric": "f1"}
        return Score(**common, protocol=protocol, seed=seed, value=value, extra=extra)

    scores = [f1("conlleval entity", 0, 0.5), f1("conlleval entity", 0, 0.1, type="Ship"), f1("exact", 0, 0.9)]
    scores += [f1("conlleval entity", 1, 0.7), f1("exact", 1, 0.8)]
    result = TransferResult("complete", tmp_path, tuple(scores))
    assert result.score("f1", "ships") == pytest.approx(0.6)
    assert result.score("f1", "ships", protocol="exact") == pytest.approx(0.85)
    with pytest.raises(UserError, match=r"exact_match(.|\n)*allowed: conlleval entity, exact\n"):
        result.score("f1", "ships", protocol="exact_match")


def test_of_several_scored_steps_the_last_one_counts_or_the_best(
    first: tuple[TransferResult, list[StepInfo | StageInfo]], data: Path, tmp_path: Path
) -> None:
    changes = {"budget": 10, "settings": SETTINGS | {"pretraining.scored_steps": [2, 9]}}
    result = adapt(data, tmp_path / "ships", store=first[0].out / "artifacts", **changes)
    losses = {
        s.extra["cell"]["pretraining.scored_steps"]: s.value for s in result.scores if s.metric == "masked_lm_loss"
    }
    assert len(set(losses.values())) == 3
    loss = ("masked_lm_loss", "core/text", "held-out")
    assert result.score(*loss) == losses[10]
    assert result.score(*loss, cell={"pretraining.scored_steps": 2}) == losses[2]
    assert {len(lines) for name, lines in result.curves.items() if name.startswith("pretrain core/text, of ")} == {
        2,
        9,
        10,
    }
    assert set(result.models) == {
        f"scored_steps={step}/{name}" for step in (2, 9, 10) for name in ("language-model", "ships-seed-0")
    }
    assert result.model == result.models["scored_steps=10/language-model"]
    result.to_huggingface(tmp_path / "tagger", model="ships-seed-0")
    result.to_huggingface(tmp_path / "last", model="scored_steps=10/ships-seed-0")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("tagger", "last")]
    assert weights[0] == weights[1]
    results = json.loads((result.out / "results.json").read_text("utf-8"))
    results["early_stops"] = [{"cell": {}, "best_step": 9}]
    (result.out / "results.json").write_text(json.dumps(results), "utf-8")
    assert result.score(*loss) == losses[9]
    assert result.model == result.models["scored_steps=9/language-model"]
    with pytest.raises(UserError, match=r"no such model(.|\n)*scored_steps=3(.|\n)*scored_steps=10"):
        result.score(*loss, cell={"pretraining.scored_steps": 3})


def test_of_several_arms_one_must_be_named(data: Path, tmp_path: Path) -> None:
    arms = [{"name": "a", "set": {"pretraining.seed": 1}}, {"name": "b", "set": {"pretraining.seed": 2}}]
    result = adapt(data, tmp_path / "ships", tasks=(), settings=SETTINGS | {"study.arms": arms})
    loss = ("masked_lm_loss", "core/text", "held-out")
    assert result.score(*loss, cell={"arm": "a"}) != result.score(*loss, cell={"arm": "b"})
    with pytest.raises(UserError, match=r"several models(.|\n)*arm=a(.|\n)*arm=b(.|\n)*cell="):
        result.score(*loss)
    with pytest.raises(UserError, match=r"several models(.|\n)*a/language-model, b/language-model"):
        result.to_huggingface(tmp_path / "adapted")
    assert set(result.curves) == {"pretrain core/text, of a", "pretrain core/text, of b"}
    result.to_huggingface(tmp_path / "adapted", model="b/language-model")


def test_tables_among_the_settings_set_their_own_keys_alone(data: Path, tmp_path: Path) -> None:
    nested: dict[str, Any] = {}
    for key, value in SETTINGS.items():
        table, _, rest = key.partition(".")
        nested.setdefault(table, {})[rest] = value
    nested["pretraining"] |= {"optimizer": {"learning_rate": 2e-3}, "masking": {}, "max_minutes": None}
    tokens = Budget(tokens=2.0 * 64)  # two steps of four sequences of 16
    result = adapt(data, tmp_path / "ships", tasks=(), budget=tokens, settings=nested)
    recipe = tomllib.loads((result.out / "transfer.toml").read_text("utf-8"))
    assert recipe["corpus"] == {"spec": "core/text", "files": [str(data / "logs.txt")], "held_out_share": 0.2}
    assert recipe["pretraining"] == {
        "num_steps": 2,
        "second_objective": "none",
        "num_sequences_per_step": 4,
        "num_sequences_per_micro_batch": 4,
        "max_tokens": 16,
        "optimizer": {"learning_rate": 2e-3},
    }
    assert repr(result) == f"TransferResult('complete', '{result.out}', {len(result.scores)} scores)"
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301 - our own
    axes = {"study": {"axes": {"pretraining.seed": [1, 2]}}}
    with pytest.raises(UserError, match=r"^pretraining\.max_tokns: unknown key(.|\n)*nearest: max_tokens"):
        adapt(data, tmp_path / "other", settings=SETTINGS | axes | {"pretraining": {"max_tokns": 8}})


def test_numbers_of_numpy_are_numbers(data: Path, tmp_path: Path) -> None:
    settings = SETTINGS | {
        "pretraining.max_tokens": np.int64(16),
        "pretraining.optimizer.learning_rate": np.float64(1e-3),
        "pretraining.masking.rate": np.float32(0.25),
        "seeds": np.arange(2),
    }
    assert Budget(minutes=np.float32(1.5)).limits(64) == {**Budget(minutes=1.5).limits(64)}
    numbers = {"budget": Budget(tokens=np.float32(64)), "vocabulary": np.int64(80)}
    result = adapt(data, tmp_path / "ships", tasks=(), settings=settings, **numbers)
    recipe = tomllib.loads((result.out / "transfer.toml").read_text("utf-8"))
    assert recipe["pretraining"]["num_steps"] == 1
    assert recipe["pretraining"]["masking"] == {"rate": 0.25}
    assert (recipe["seeds"], recipe["vocabulary"]["size"]) == ([0, 1], 80)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base", 3),
        ("base", ""),
        ("corpus", None),
        ("corpus", []),
        ("corpus", ["logs.txt", 3]),
        ("corpus", b"logs.txt"),
        ("base", np.array(["logs.txt", "other.txt"])),
        ("budget", True),
        ("budget", -1),
        ("budget", "2"),
        ("vocabulary", 80.0),
        ("vocabulary", True),
        ("tasks", {"spec": "core/conll"}),
        ("tasks", None),
        ("general", 4),
        ("grid", "auto"),
        ("settings", ["pretraining.max_tokens=8"]),
        ("store", 3),
        ("progress", True),
        ("cancelled", False),
    ],
)
def test_arguments_of_the_wrong_type_are_named(name: str, value: object, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{name}: "):
        adapt(data, tmp_path / "out", **{name: value})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(steps=1.5), r"budget\.steps"),
        (Budget(steps=Fraction(10**400)), r"budget\.steps"),
        (Budget(tokens="1000"), r"budget\.tokens"),
        (Budget(minutes=-1), r"budget\.minutes"),
        (Budget(minutes=float("nan")), r"budget\.minutes"),
    ],
)
def test_a_budget_is_a_number(budget: Budget, said: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        adapt(data, tmp_path / "out", budget=budget)


def test_a_second_call_beside_one_that_runs_takes_nothing_from_it(data: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def call_again(_: StepInfo | StageInfo) -> None:
        if not said:
            with pytest.raises(UserError) as caught:
                adapt(data, tmp_path / "ships", tasks=(), budget=0)
            said.append(caught.value.problem)

    result = adapt(data, tmp_path / "ships", tasks=(), budget=1, progress=call_again)
    assert said == ["another run is writing here"]
    assert tomllib.loads((result.out / "transfer.toml").read_text("utf-8"))["pretraining"]["num_steps"] == 1


def test_what_a_result_cannot_give_is_said(data: Path, tmp_path: Path) -> None:
    stopped = TransferResult("cancelled", tmp_path)
    for ask in (lambda: stopped.score("f1", "ships"), lambda: stopped.model, lambda: stopped.curves):
        with pytest.raises(UserError, match="was cancelled"):
            ask()
    result = adapt(data, tmp_path / "ships", tasks=(), budget=0)
    with pytest.raises(StorageError, match=r"lies in a file"):
        result.to_huggingface(data / "logs.txt" / "adapted")
    result.to_huggingface(tmp_path / "adapted")
    with pytest.raises(StorageError, match=r"is there already(.|\n)*force=True"):
        result.to_huggingface(tmp_path / "adapted")
    result.out.rename(tmp_path / "moved")
    for ask in (result.report, lambda: result.model, lambda: result.curves):
        with pytest.raises(UserError, match="not there any more"):
            ask()


def test_a_refused_call_leaves_all_as_it_was(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "ships"
    with pytest.raises(UserError, match=r"^parallel\.dat: unknown key(.|\n)*nearest: data"):
        adapt(data, out, grid={"dat": 2})
    assert not (tmp_path / "a").exists()
    out.mkdir(parents=True)
    (out / "transfer.toml").write_text("mine", "utf-8")
    with pytest.raises(StorageError, match="no transfer has written"):
        adapt(data, out)
    assert (out / "transfer.toml").read_text("utf-8") == "mine"
    (out / ".recipe.json").write_text('{"name": "ships"}', "utf-8")
    with pytest.raises(UserError, match=r"no such file or folder"):
        adapt(data, out, corpus=data / "nowhere.txt")
    assert (out / "transfer.toml").read_text("utf-8") == "mine"
    with pytest.raises(StorageError, match="is a file, not a folder"):
        adapt(data, data / "logs.txt")


def test_only_a_transfer_s_own_recipe_is_written_over(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "ships"
    out.mkdir()
    (out / ".recipe.json").write_text('{"name": "boats"}', "utf-8")
    with pytest.raises(UserError, match="boats"):
        adapt(data, out)
    assert not (out / "transfer.toml").exists(), "the folder is another run's"
    (out / ".recipe.json").unlink()
    (out / "transfer.toml").write_text(
        "# Written by domainlm.transfer; its next call for this folder writes over it.\n"
    )
    adapt(data, out, tasks=(), budget=0)  # one that was killed before its run began had left it
    assert "num_steps = 0" in (out / "transfer.toml").read_text("utf-8")


def test_names_among_the_settings_may_hold_dots() -> None:
    layout = {"rows": ["pretraining.num_steps"], "headings": {"pretraining.num_steps": "steps"}}
    settings = {
        "report.layout": layout,
        "requires": {"plugins": {"domainlm.odd": ">=1"}},
        "scales": {"half v1.5": {"study.axes": {"pretraining.seed": [1]}, "pretraining.num_steps": 5}},
    }
    recipe = transfer_recipe(None, "logs.txt", 1, None, (), None, None, settings)
    assert recipe["report"] == {"layout": layout}
    assert recipe["requires"] == {"plugins": {"domainlm.odd": ">=1"}}
    assert recipe["scales"] == {
        "half v1.5": {"study": {"axes": {"pretraining.seed": [1]}}, "pretraining": {"num_steps": 5}}
    }


def test_what_is_wrong_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one of steps, tokens and minutes"):
        adapt(data, tmp_path / "out", budget=Budget(steps=3, tokens=4))
    with pytest.raises(UserError, match=r"budget\.tokens: fewer tokens than one step(.|\n)*from 64: "):
        adapt(data, tmp_path / "out", budget=Budget(tokens=63))
    with pytest.raises(UserError, match=r"not a budget(.|\n)*2\.5"):
        adapt(data, tmp_path / "out", budget=2.5)
    with pytest.raises(ModelError, match="no such model"):
        adapt(data, tmp_path / "out", base=tmp_path / "nowhere")
