"""Which stages a run makes, and what becomes of those that it cannot make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from domainlm import hookimpl
from domainlm.api import RunInfo, StepInfo
from domainlm.errors import TOLD, StudyError
from domainlm.files import write_json
from domainlm.plugin import load_plugins
from domainlm.plugin.discovery import Candidate
from domainlm.plugin.observers import ObserverFailure, Observers
from domainlm.plugin.provider import Provider
from domainlm.recipe.load import load_recipe
from domainlm.recipe.resolve import resolve
from domainlm.study import one_stage
from domainlm.study.attempts import note_failure, note_observers, take_observers
from domainlm.study.cluster import ClusterJob
from domainlm.study.early_stop import EarlyStops
from domainlm.study.files import FileHashes
from domainlm.study.graph import CellStages, Graph, build_graph
from domainlm.study.making import make_stage
from domainlm.study.plan import plan_run
from domainlm.study.runner import Runner
from domainlm.study.stage import Stage, StageContext
from domainlm.study.status import remember_call
from domainlm.study.store import Artifact, Store
from domainlm.study.workers import Job

STEP = StepInfo(phase="pretrain", step=1, num_steps=9, metrics={"loss": 2.0}, num_tokens=64, seconds=0.1)
RECIPE = """
name = "harbour"
[corpus]
spec = "core/text"
files = ["logs.txt"]
[vocabulary]
size = 60
[model]
size = "core/tiny"
[pretraining]
num_steps = 4
scored_steps = [2]
early_stop = { task = "ships" }
[[tasks]]
spec = "core/conll"
name = "ships"
files = { train = ["train.tsv"], dev = ["dev.tsv"] }
[[study.arms]]
name = "trained"
set = { "pretraining.num_steps" = 6 }
[[study.arms]]
name = "measured"
set = { "measure.break_up_rate" = true }
"""


@dataclass(frozen=True, kw_only=True)
class Note(Stage):
    """Writes nothing."""

    kind: ClassVar[str] = "note"

    name: str
    hinted: Mapping[str, Stage] = field(default_factory=dict)

    @property
    def hints(self) -> Mapping[str, Stage]:
        return self.hinted

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        del context
        return {}


def note(name: str, hinted: Mapping[str, Stage] | None = None, **inputs: Stage) -> Note:
    return Note(label=name, name=name, inputs=inputs, hinted=hinted or {})


@dataclass
class Ended:
    """A job that is done at once; what it made may be hidden for a while."""

    seconds_until_seen: float = 0.0

    def has_ended(self) -> bool:
        return True

    def last_words(self) -> str:
        return "nothing"


@dataclass
class Here:
    """Workers of this process."""

    runner: Runner
    size: int = 2

    def start(self, stage: Stage) -> Job:
        make_stage(stage, self.runner.store, self.runner.run, self.runner.observers)
        return Ended()

    def stop(self, jobs: Sequence[Job]) -> None:
        assert not jobs


@dataclass
class Slow:
    """A job that has ended when it is asked for the nth time."""

    num_asked: int
    seconds_until_seen: float = 0.0

    def has_ended(self) -> bool:
        self.num_asked -= 1
        return self.num_asked < 0

    def last_words(self) -> str:
        return "nothing"


@dataclass
class Failing(Here):
    """Workers in which an observer fails, as another process would leave it."""

    def start(self, stage: Stage) -> Job:
        failure = ObserverFailure(plugin="dash 1.0 [main]", hook="domainlm_step_ended", error="OSError: full", count=2)
        note_observers(self.runner.store, stage, [failure])
        return Here.start(self, stage)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    store = Store(tmp_path / "store")
    store.prepare()
    info = RunInfo(name="harbour", recipe_path=tmp_path / "harbour.toml", out=tmp_path, num_stages=3)
    return Runner(store, info, load_plugins(candidates=[]).observers)


def make(runner: Runner, *stages: Stage) -> None:
    runner._titles = {stage.key: stage.label for stage in stages}
    runner._make_all(stages)


@pytest.mark.parametrize("has_workers", [False, True])
def test_a_stage_whose_input_nothing_makes_fails_and_the_others_are_made(runner: Runner, *, has_workers: bool) -> None:
    runner.workers = Here(runner) if has_workers else None
    alone, orphan = note("alone"), note("orphan", parent=note("nobody's"))
    heir = note("heir", parent=orphan)
    make(runner, orphan, heir, alone)
    assert set(runner.artifacts) == {alone.key}
    assert runner.left_out == {heir.key}
    assert list(runner.failed) == [orphan.key]
    assert "needs a stage that this run does not make" in runner.failed[orphan.key]
    assert "note: nobody's" in runner.failed[orphan.key]


def test_workers_wait_for_a_hint_only_where_it_comes(runner: Runner) -> None:
    runner.workers = Here(runner)
    hint = note("hint")
    first, second = note("first", {"before": hint}), note("second", {"before": note("never made")})
    make(runner, first, second, hint)
    assert list(runner.artifacts) == [second.key, hint.key, first.key]


def test_the_store_is_asked_only_while_a_worker_is_free(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    class Patient(Here):
        def start(self, stage: Stage) -> Job:
            Here.start(self, stage)
            return Slow(20)

    runner.workers = Patient(runner, size=1)
    stages = [note(f"stage {number}") for number in range(20)]
    for done in stages[5:10]:
        make_stage(done, runner.store, runner.run, runner.observers)
    asked: list[str] = []
    find = Store.find

    def counted(store: Store, kind: str, key: str) -> Artifact | None:
        asked.append(key)
        return find(store, kind, key)

    monkeypatch.setattr(Store, "find", counted)
    monkeypatch.setattr("domainlm.study.runner._POLL_SECONDS", 0.0)
    make(runner, *stages)
    assert len(runner.artifacts) == 20
    assert runner.num_cached == 5
    assert len(asked) <= 20 + 15  # each once, and each that a worker made


@dataclass
class OnAnotherNode(Here):
    """Workers whose artifacts a cached folder hides from the store for a while; some fail."""

    seconds_until_seen: float = 60.0
    failing: str = ""

    def start(self, stage: Stage) -> Job:
        if stage.label == self.failing:
            note_failure(self.runner.store, stage, "the sea was rough")
        else:
            Here.start(self, stage)
        return Ended(self.seconds_until_seen)


@pytest.fixture
def hidden_for_five_looks(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    looks: dict[str, int] = {}
    find = Store.find

    def late(store: Store, kind: str, key: str) -> Artifact | None:
        found = find(store, kind, key)
        looks[key] = looks.get(key, 0) + (found is not None)
        return found if looks[key] > 5 else None

    monkeypatch.setattr(Store, "find", late)
    monkeypatch.setattr("domainlm.study.runner._POLL_SECONDS", 0.01)
    return looks


@pytest.mark.usefixtures("hidden_for_five_looks")
def test_what_another_node_made_is_waited_for(runner: Runner) -> None:
    runner.workers = OnAnotherNode(runner)
    parent = note("parent")
    make(runner, parent, note("heir", parent=parent))
    assert len(runner.artifacts) == 2
    assert not runner.failed


@pytest.mark.usefixtures("hidden_for_five_looks")
def test_it_is_not_waited_for_on_this_machine_nor_where_the_stage_says_that_it_failed(runner: Runner) -> None:
    stage = note("stage")
    runner.workers = OnAnotherNode(runner, seconds_until_seen=0.0)
    make(runner, stage)
    assert runner.failed == {stage.key: "nothing"}
    other = note("other")
    runner.workers = OnAnotherNode(runner, failing="other")
    make(runner, other)
    assert runner.failed[other.key] == "the sea was rough"


def test_jobs_of_a_cluster_stay_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        num_asked = 0

        def done(self) -> bool:
            self.num_asked += 1
            return self.num_asked > 1

    monkeypatch.setattr("domainlm.study.cluster._POLL_SECONDS", 0.0)
    done = Done()
    job = ClusterJob(done)
    assert [job.has_ended() for _ in range(4)] == [False, True, True, True]
    assert done.num_asked == 2
    assert job.seconds_until_seen == 60.0


def test_observers_that_fail_in_workers_are_warned_of_in_the_run(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    runner.workers = Failing(runner)
    make(runner, note("first"), note("second"))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["domainlm_step_ended of plugin dash 1.0 [main] failed: OSError: full"]
    assert [failure.count for failure in runner.observers.failures] == [4]
    assert not list(runner.store.root.rglob("*.observers.json"))


def test_a_bug_of_a_stage_is_shown_once(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    class Leaking(Note):
        def make(self, context: StageContext) -> Mapping[str, Any]:
            raise KeyError(str(context.folder))

    make(runner, Leaking(label="leaking", name="leaking", inputs={}))
    assert [record.getMessage() for record in caplog.records if record.exc_info] == ["this may be a bug:"]
    assert runner.error is not None
    assert runner.error.__notes__ == [TOLD]


def test_a_worker_leaves_a_note_of_its_observers_also_where_the_stage_fails(
    tmp_path: Path, write_ships: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(stage: Stage, _: Store, run: RunInfo, observers: Observers) -> None:
        observers.step_ended(run, STEP)
        raise ValueError(stage.kind)

    class Watch:
        @hookimpl
        def domainlm_step_ended(self, step: StepInfo) -> None:
            raise OSError(f"full at {step.step}")

    write_ships(tmp_path)
    recipe, out = tmp_path / "harbour.toml", tmp_path / "out"
    recipe.write_text(RECIPE, "utf-8")
    plugins = load_plugins(candidates=[Candidate(Provider("dash", "1", "main"), Watch)])
    planned = plan_run(recipe, out=out, store=None, overrides=(), plugins=plugins)
    first = planned.graph.ordered()[0]
    monkeypatch.setattr(one_stage, "make_stage", fails)
    with pytest.raises(ValueError, match="corpus"):
        one_stage.make_one(recipe, first.key, out=out, store=None, overrides=(), plugins=plugins)
    (failure,) = take_observers(planned.store, first)
    assert (failure.hook, failure.error, failure.count) == ("domainlm_step_ended", "OSError: full at 1", 1)
    assert take_observers(planned.store, first) == []


def test_what_a_measured_arm_needs_is_made_where_all_others_may_stop_early(
    tmp_path: Path, runner: Runner, write_ships: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ships(tmp_path)
    (tmp_path / "harbour.toml").write_text(RECIPE, "utf-8")
    registry = load_plugins(candidates=[]).registry
    graph: Graph = build_graph(
        resolve(load_recipe(tmp_path / "harbour.toml"), registry), FileHashes(), lambda _: {"torch": "2"}
    )
    batches: list[list[Stage]] = []
    monkeypatch.setattr(Runner, "_make_all", lambda _, stages: batches.append(list(stages)))
    runner.run_all(graph)
    first = {stage.key for stage in batches[0]}
    assert graph.measured
    assert {stage.key for cell in graph.measured for stage in cell.ordered()} == first
    assert {stage.kind for stage in batches[0]} >= {"corpus", "break-up"}


def test_pretrainings_that_may_stop_are_made_beside_one_another(
    tmp_path: Path, runner: Runner, write_ships: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ships(tmp_path)
    recipe = RECIPE.replace("scored_steps = [2]", "scored_steps = [1, 2, 3]")
    (tmp_path / "harbour.toml").write_text(recipe, "utf-8")
    axes = 'study={axes={"pretraining.optimizer.learning_rate" = [1e-3, 1e-4, 1e-5]}}'
    registry = load_plugins(candidates=[]).registry
    loaded = load_recipe(tmp_path / "harbour.toml", [axes, "pretraining.early_stop.patience=1"])
    graph = build_graph(resolve(loaded, registry), FileHashes(), lambda _: {"torch": "2"})
    scores = {1e-3: [0.1, 0.2, 0.3, 0.4], 1e-4: [0.2, 0.1], 1e-5: [0.1, 0.2, 0.2]}
    rounds: list[list[tuple[float, int]]] = []

    def place(cell: CellStages) -> tuple[float, int]:
        settings = cell.definition.recipe.pretraining
        return settings.optimizer.learning_rate, settings.last_step

    def noted(stops: EarlyStops, cell: CellStages, artifacts: Mapping[str, Artifact]) -> None:
        del artifacts
        course = stops._course(cell)
        assert course is not None
        rate, step = place(cell)
        course.metric = "f1"
        course.by_seed[step] = {0: scores[rate][step - 1]}
        rounds[-1].append((rate, step))

    def begin(_: Runner, stages: Sequence[Stage]) -> None:
        del stages
        rounds.append([])

    monkeypatch.setattr(EarlyStops, "note", noted)
    monkeypatch.setattr(Runner, "_make_all", begin)
    runner.run_all(graph)
    rates = (1e-3, 1e-4, 1e-5)
    assert rounds[1:] == [
        [(rate, 1) for rate in rates],
        [(rate, 2) for rate in rates],
        [(1e-3, 3), (1e-5, 3)],
        [(1e-3, 4)],
    ]
    assert [place(cell) for cell in runner.cells] == [
        *((1e-3, 1), (1e-3, 2), (1e-3, 3), (1e-3, 4)),
        *((1e-4, 1), (1e-4, 2), (1e-5, 1), (1e-5, 2), (1e-5, 3)),
    ]
    assert [each["steps_not_made"] for each in runner.early_stops.as_list()] == [[], [3, 4], [4]]


@pytest.mark.parametrize("has_workers", [False, True])
def test_a_stage_that_is_named_twice_is_made_once(runner: Runner, *, has_workers: bool) -> None:
    runner.workers = Here(runner) if has_workers else None
    make(runner, note("only"), note("only"))
    assert len(runner.artifacts) == 1
    assert runner.num_cached == 0


def test_a_worker_says_that_the_recipe_has_changed(tmp_path: Path, write_ships: Callable[[Path], None]) -> None:
    write_ships(tmp_path)
    recipe, out, plugins = tmp_path / "harbour.toml", tmp_path / "out", load_plugins(candidates=[])
    recipe.write_text(RECIPE, "utf-8")
    planned = plan_run(recipe, out=out, store=None, overrides=(), plugins=plugins)
    stage = next(stage for stage in planned.graph.ordered() if stage.kind == "vocabulary")

    def worker(key: str) -> None:
        one_stage.make_one(recipe, key, out=out, store=None, overrides=(), plugins=plugins)

    write_json(out / ".recipe.json", {"name": "harbour"})
    remember_call(out, planned.resolved.loaded, None, ())
    with pytest.raises(StudyError, match="no such stage"):
        worker("f" * 64)
    recipe.write_text(f"# a word more\n{RECIPE}", "utf-8")
    with pytest.raises(StudyError, match="no such stage"):
        worker("f" * 64)
    recipe.write_text(RECIPE.replace("size = 60", "size = 61"), "utf-8")
    with pytest.raises(StudyError, match="the recipe has changed since this run began"):
        worker(stage.key)
