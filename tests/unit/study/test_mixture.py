"""A recipe with several corpora, from its text to what reports say of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.errors import RecipeError, UserError
from domainlm.files import sha256_of
from domainlm.plugin import load_plugins
from domainlm.recipe.load import load_recipe
from domainlm.recipe.resolve import resolve
from domainlm.recipe.scored_texts import warn_of_copies
from domainlm.study.run import plan_run, run_recipe
from domainlm.text.corpus import is_held_out

RECIPE = """
name = "harbour"
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.2
[mixture]
weight = 3.0
[[mixture.corpora]]
spec = "core/text"
name = "general"
files = ["letters.txt"]
held_out_share = 0.2
weight = 1.0
[vocabulary]
size = 60
[model]
size = "core/tiny"
[pretraining]
num_steps = 2
num_sequences_per_step = 8
num_sequences_per_micro_batch = 4
max_tokens = 32
[runtime]
num_threads = 1
"""


@pytest.fixture
def recipe(tmp_path: Path, write_two_corpora: Callable[[Path], None]) -> Path:
    write_two_corpora(tmp_path)
    path = tmp_path / "harbour.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def _run(recipe: Path, out: Path, *overrides: str) -> dict[str, float]:
    run_recipe(recipe, out=out, store=recipe.parent / "store", overrides=overrides, plugins=load_plugins())
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert set(results["lock"]["files"]) >= {recipe.name, "logs.txt"}
    epochs: dict[str, float] = results["rows"][0]["epochs"]
    return epochs


def test_replay_may_be_a_single_document_where_nothing_scores_it(recipe: Path, tmp_path: Path) -> None:
    letter = recipe.with_name("letters.txt")
    letter.write_text("The mother wrote of salt. She asked for wool.\n", encoding="utf-8")
    epochs = _run(recipe, tmp_path / "out")
    assert epochs["general"] > 1
    general = '[general]\nspec = "core/text"\nfiles = ["letters.txt"]\nheld_out_share = 0.2\n'
    recipe.with_name("scored.toml").write_text(RECIPE + general, encoding="utf-8")
    with pytest.raises(UserError, match="no document of the corpus is left for scoring"):
        _run(recipe.with_name("scored.toml"), tmp_path / "scored", "corpus.leak_guard.enabled=false")


def test_general_text_may_be_a_single_document_that_is_scored(recipe: Path, tmp_path: Path) -> None:
    assert is_held_out("letter:1", 0.5)
    recipe.with_name("letter.txt").write_text("The mother wrote of salt. She asked for wool.\n", encoding="utf-8")
    general = '[general]\nspec = "core/text"\nfiles = ["letter.txt"]\nheld_out_share = 0.5\n'
    recipe.write_text(RECIPE + general, encoding="utf-8")
    _run(recipe, tmp_path / "out", "mixture={}")
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert len({row["value"] for row in results["rows"] if row["metric"] == "masked_lm_loss"}) == 2


def test_corpora_are_read_in_their_shares(recipe: Path, tmp_path: Path) -> None:
    epochs = _run(recipe, tmp_path / "weighted")
    text = RECIPE.replace("weight = 3.0", "exponent = 0.0").replace("weight = 1.0\n", "")
    recipe.with_name("equal.toml").write_text(text, encoding="utf-8")
    equal = _run(recipe.with_name("equal.toml"), tmp_path / "equal")
    alone = _run(recipe, tmp_path / "alone", "mixture={}")

    assert list(epochs) == list(equal) == ["core/text", "general"]
    assert list(alone) == ["core/text"]
    # Of 16 sequences the main corpus has about 12 where weights are 3 to 1, about 8 in equal shares, and all alone.
    sizes = {"core/text": 16 / alone["core/text"]}
    assert 10.5 <= epochs["core/text"] * sizes["core/text"] <= 13.5
    assert 6.5 <= equal["core/text"] * sizes["core/text"] <= 9.5
    assert epochs["general"] < equal["general"]
    stages = sorted(path.name for path in (tmp_path / "store").iterdir() if path.is_dir())
    assert {"corpus", "encode", "pretrain"} <= set(stages)
    corpora = [path for path in (tmp_path / "store" / "corpus").iterdir() if (path / "manifest.json").is_file()]
    assert len(corpora) == 2  # what runs have in common is made once


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("mixture.weight=3.0", None),
        ("mixture.corpora.0.weight=0.0", "greater than 0"),
        ('mixture.corpora.0.name="core/text"', "two corpora have one name"),
        ("mixture={weight = 2.0}", "needs other corpora"),
        ("mixture={exponent = 0.5}", "an exponent is for"),
        ("mixture.exponent=0.5", "an exponent is for"),
        ("mixture.exponent=1.0", None),
        ('mixture={corpora = [{spec = "core/text", files = ["letters.txt"], weight = 1.0}]}', "or to none"),
        ('mixture={corpora = [{spec = "core/text", files = ["gone.txt"]}]}', "gone.txt"),
        ('mixture={corpora = [{spec = "core/txt", files = ["letters.txt"]}]}', "core/txt"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(
    recipe: Path, change: str, message: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe.parent)
    registry = load_plugins().registry
    if message is None:
        resolve(load_recipe(recipe, [change]), registry)
        return
    with pytest.raises(UserError, match=message):
        resolve(load_recipe(recipe, [change]), registry)


def test_the_order_of_corpora_is_part_of_what_a_model_is(recipe: Path, tmp_path: Path) -> None:
    """Each is read by a seed of its place: corpora in another order give another model."""
    file = recipe.with_name("letters.txt")
    one, other = (f'{{spec = "core/text", name = "{name}", files = ["{file}"]}}' for name in ("one", "other"))

    def key(corpora: str) -> str:
        overrides = [f"mixture={{corpora = [{corpora}]}}"]
        run = plan_run(recipe, out=tmp_path / "out", store=None, overrides=overrides, plugins=load_plugins())
        (cell,) = run.graph.cells
        assert cell.pretraining is not None
        return cell.pretraining.key

    assert key(f"{one}, {other}") != key(f"{other}, {one}")


GENERAL = """
[general]
spec = "core/text"
files = ["letters.txt"]
held_out_share = SHARE
"""


@pytest.mark.parametrize(("share", "steps"), [("0.2", 2), ("0.1", 2), ("0.5", 0)])
def test_general_text_may_be_replayed_where_what_it_is_scored_on_is_held_out(
    share: str, steps: int, recipe: Path
) -> None:
    recipe.write_text(RECIPE.replace("num_steps = 2", f"num_steps = {steps}") + GENERAL.replace("SHARE", share))
    plugins = load_plugins()
    assert resolve(load_recipe(recipe), plugins.registry).num_cells == 1


@pytest.mark.parametrize("place", ["mixture.corpora.0", "corpus"])
def test_documents_that_are_scored_on_are_not_replayed(place: str, recipe: Path) -> None:
    files = "letters.txt" if place == "mixture.corpora.0" else "logs.txt"
    recipe.write_text(RECIPE + GENERAL.replace("SHARE", "0.5").replace("letters.txt", files))
    with pytest.raises(
        RecipeError, match=rf"{place}\.held_out_share: .*\[general\](.|\n)*given: +0\.2\n(.|\n)*from 0\.5"
    ):
        resolve(load_recipe(recipe), load_plugins().registry)


def test_another_name_of_a_file_hides_nothing(recipe: Path) -> None:
    (recipe.parent / "linked.txt").symlink_to(recipe.parent / "letters.txt")
    recipe.write_text(RECIPE + GENERAL.replace("SHARE", "0.5").replace("letters.txt", "linked.txt"))
    with pytest.raises(RecipeError, match=r"mixture\.corpora\.0\.held_out_share: .*\[general\]"):
        resolve(load_recipe(recipe), load_plugins().registry)


def test_a_file_that_is_scored_is_read_in_one_way(recipe: Path) -> None:
    """Another reader, or another name of it, gives its documents other ids, of which others are held out."""
    recipe.write_text(RECIPE + GENERAL.replace("SHARE", "0.2").replace("core/text", "core/jsonl"))
    said = r"mixture\.corpora\.0: .*\[general\] in another way(.|\n)*letters.txt by core/text(.|\n)*by core/jsonl"
    with pytest.raises(RecipeError, match=said):
        resolve(load_recipe(recipe), load_plugins().registry)
    (recipe.parent / "linked.txt").symlink_to(recipe.parent / "letters.txt")
    recipe.write_text(RECIPE + GENERAL.replace("SHARE", "0.2").replace("letters.txt", "linked.txt"))
    with pytest.raises(RecipeError, match=r"in another way(.|\n)*linked\.txt by core/text"):
        resolve(load_recipe(recipe), load_plugins().registry)


def test_copies_of_scored_files_are_warned_of(recipe: Path, caplog: pytest.LogCaptureFixture) -> None:
    plugins, folder = load_plugins(), recipe.parent / "copies"
    folder.mkdir()
    for name in ("letters.txt", "mail.txt"):
        (folder / name).write_bytes(recipe.with_name("letters.txt").read_bytes())

    def warned(general: str) -> str:
        caplog.clear()
        recipe.write_text(RECIPE + general)
        warn_of_copies(resolve(load_recipe(recipe), plugins.registry), sha256_of)
        return caplog.text

    assert warned(GENERAL.replace("SHARE", "0.2").replace("letters", "copies/letters")) == ""
    assert warned(GENERAL.replace("SHARE", "0.2")) == ""
    assert "letters.txt is a copy of" in warned(GENERAL.replace("SHARE", "0.5").replace("letters", "copies/letters"))
    assert "copies/mail.txt, and holds out other" in warned(
        GENERAL.replace("SHARE", "0.2").replace("letters", "copies/mail")
    )


def test_a_corpus_may_hold_a_file_twice(recipe: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By a link, or as a copy: each document is kept once."""
    (recipe.parent / "latest.txt").symlink_to(recipe.parent / "logs.txt")
    recipe.with_name("copy.txt").write_bytes(recipe.with_name("logs.txt").read_bytes())
    recipe.write_text(RECIPE.replace('"logs.txt"', '"logs.txt", "latest.txt", "copy.txt"'))
    warn_of_copies(resolve(load_recipe(recipe), load_plugins().registry), sha256_of)
    assert not caplog.text
    both = RECIPE.replace('"logs.txt"', '"logs.txt", "latest.txt"')
    recipe.write_text(both.replace('"letters.txt"', '"latest.txt"'))  # by the name that is kept, the first
    assert resolve(load_recipe(recipe), load_plugins().registry)
    recipe.write_text(both.replace('"letters.txt"', '"logs.txt"'))
    with pytest.raises(RecipeError, match=r"in another way(.|\n)*logs\.txt by core/text(.|\n)*latest\.txt by"):
        resolve(load_recipe(recipe), load_plugins().registry)


def test_one_that_keeps_both_learns_what_it_is_scored_on(recipe: Path, caplog: pytest.LogCaptureFixture) -> None:
    (recipe.parent / "latest.txt").symlink_to(recipe.parent / "logs.txt")
    recipe.with_name("copy.txt").write_bytes(recipe.with_name("logs.txt").read_bytes())
    kept = RECIPE.replace("[mixture]", "[corpus.deduplication]\nexact = false\n[mixture]")
    recipe.write_text(kept.replace('"logs.txt"', '"logs.txt", "latest.txt"'))
    with pytest.raises(RecipeError, match="in another way"):
        resolve(load_recipe(recipe), load_plugins().registry)
    recipe.write_text(kept.replace('"logs.txt"', '"logs.txt", "copy.txt"'))
    warn_of_copies(resolve(load_recipe(recipe), load_plugins().registry), sha256_of)
    assert "copy.txt is a copy of" in caplog.text


def test_a_copy_is_warned_of_once(recipe: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe.with_name("mail.txt").write_bytes(recipe.with_name("letters.txt").read_bytes())
    general = GENERAL.replace("SHARE", "0.2").replace("letters", "mail")
    recipe.write_text(RECIPE + general + '[study.axes]\n"pretraining.seed" = [1, 2, 3]\n')
    warn_of_copies(resolve(load_recipe(recipe), load_plugins().registry), sha256_of)
    assert caplog.text.count("letters.txt is a copy of") == 1


def test_a_general_start_learns_from_general_text_though_nothing_follows_it(recipe: Path) -> None:
    (recipe.parent / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n", "utf-8")
    start = '[start]\nkind = "general"\nnum_steps = 2\nvocabulary = "vocab.txt"\n'
    own = RECIPE.replace("[vocabulary]\nsize = 60\n", "").replace("num_steps = 2", "num_steps = 0")
    text = own + GENERAL.replace("letters.txt", "logs.txt") + start
    recipe.write_text(text.replace("SHARE", "0.1"))
    with pytest.raises(RecipeError, match=r"general\.held_out_share: .*\[corpus\]"):
        resolve(load_recipe(recipe), load_plugins().registry)
    recipe.write_text(text.replace("SHARE", "0.2"))
    assert resolve(load_recipe(recipe), load_plugins().registry).num_cells == 1


def test_a_replay_of_the_corpus_itself_holds_out_as_much(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace('files = ["letters.txt"]\nheld_out_share = 0.2', 'files = ["logs.txt"]'))
    with pytest.raises(RecipeError, match=r"mixture\.corpora\.0\.held_out_share: .*\[corpus\]"):
        resolve(load_recipe(recipe), load_plugins().registry)
