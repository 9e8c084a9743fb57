from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from domainlm.study.report.content import Section, Table
from domainlm.study.report.load import load_results
from domainlm.study.report.sections import build_report

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def sections_of(results: Json, write_run: WriteRun) -> dict[str, Section]:
    results["curves"] = []
    return {section.title: section for section in build_report(load_results(write_run(results))).sections}


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_scores(results: Json, write_run: WriteRun) -> None:
    test, dev, _ = sections_of(results, write_run)["Task scores"].tables
    assert test.head == ("model", "harbours", "cargoes")
    assert texts(test) == [["num_steps=0", "65.0 ± 0.6", "52.0 ± 2.8"], ["num_steps=1500", "71.2 ± 0.6", "54.0 ± 1.4"]]
    assert [[cell.is_best for cell in row] for row in test.rows] == [[False, False, False], [False, True, True]]
    assert test.rows[1][1].fine_print == ("P 73.2 ± 0.6", "R 69.2 ± 0.6")
    assert test.caption == (
        "conlleval entity F1 (%), test split, epoch chosen on dev. Mean ± sample standard deviation over seeds; "
        "n = 2 seeds. With precision (P) and recall (R). Gold standard: 1,234 on harbours and 99 on cargoes. "
        "Bold: the best mean of each column. Differences could not be tested: only scores by seed are known, and fewer "
        "than 6 seeds cannot give p < 0.05."
    )
    assert texts(dev)[1] == ["num_steps=1500", "72.2 ± 0.6", "55.0 ± 1.4"]
    assert dev.caption.startswith("conlleval entity F1 (%), dev split, epoch chosen on dev.")


def test_types(results: Json, write_run: WriteRun) -> None:
    _, _, types = sections_of(results, write_run)["Task scores"].tables
    assert types.head == ("type", "model", "F1", "precision", "recall", "n")
    assert texts(types) == [
        ["Crew", "num_steps=0", "41.0 ± 1.4", "43.0 ± 1.4", "39.0 ± 1.4", "2"],
        ["", "num_steps=1500", "53.0 ± 4.2", "55.0 ± 4.2", "51.0 ± 4.2", "2"],
        ["Port", "num_steps=0", "81.0 ± 1.4", "83.0 ± 1.4", "79.0 ± 1.4", "2"],
        ["", "num_steps=1500", "81.0 ± 0.0", "83.0 ± 0.0", "79.0 ± 0.0", "2"],
    ]
    assert types.rows[0][0].fine_print == ("234 gold",)


def test_one_type_needs_no_table_of_types(results: Json, write_run: WriteRun) -> None:
    results["rows"] = [row for row in results["rows"] if row.get("type") != "Port"]
    assert len(sections_of(results, write_run)["Task scores"].tables) == 2


def test_protocols_never_share_a_table(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        if row["dataset"] == "cargoes":
            row["protocol"] = "token accuracy"
    tables = sections_of(results, write_run)["Task scores"].tables[:4]
    assert [table.head for table in tables] == [("model", "harbours"), ("model", "cargoes")] * 2
    assert [table.caption.split(",")[0] for table in tables] == ["conlleval entity F1 (%)", "token accuracy F1 (%)"] * 2


def test_a_missing_cell_is_a_dash_and_seeds_are_marked(results: Json, write_run: WriteRun) -> None:
    results["rows"] = [
        row
        for row in results["rows"]
        if row["stage"] == "lm-score"
        or (row["steps"], row["dataset"]) not in {(0, "cargoes"), (1500, "harbours")}
        or (row["dataset"] == "harbours" and row["seed"] == 0)
    ]
    table = sections_of(results, write_run)["Task scores"].tables[0]
    assert texts(table) == [["num_steps=0", "65.0 ± 0.6", "–"], ["num_steps=1500", "70.8", "54.0 ± 1.4"]]
    assert table.rows[0][1].fine_print[-1] == "n = 2"
    assert table.rows[1][1].fine_print[-1] == "n = 1"
    assert "n = 1 to 2 seeds, as marked" in table.caption


def test_the_caption_says_which_epoch_only_as_far_as_known(results: Json, write_run: WriteRun) -> None:
    results["recipe"]["tasks"][1]["finetuning"] = {"choose": "last"}
    caption = sections_of(results, write_run)["Task scores"].tables[0].caption
    assert "test split, epoch chosen on dev on harbours; last epoch on cargoes." in caption

    results["recipe"]["tasks"] = []
    results["rows"] = [row for row in results["rows"] if row["split"] != "dev"]
    caption = sections_of(results, write_run)["Task scores"].tables[0].caption
    assert caption.startswith("conlleval entity F1 (%), test split. Mean")


def test_language_model_scores(results: Json, write_run: WriteRun) -> None:
    (table,) = sections_of(results, write_run)["Language-model scores"].tables
    assert table.head == ("model", "masked-LM loss (nats)", "masked-LM accuracy (%)", "masked sub-tokens scored")
    assert texts(table) == [["num_steps=0", "8.987", "0.1", "12,345"], ["num_steps=1500", "3.457", "41.2", "12,345"]]
    assert [cell.is_best for cell in table.rows[1]] == [False, True, True, False]


def test_losses_on_different_text_have_no_best(results: Json, write_run: WriteRun) -> None:
    """Of one vocabulary, but of another share of masks, say: only how many were scored tells it."""
    (row,) = (row for row in results["rows"] if row["metric"] == "num_masked" and row["steps"] == 0)
    row["value"] = 33333
    (table,) = sections_of(results, write_run)["Language-model scores"].tables
    assert not any(cell.is_best for row in table.rows for cell in row)
    assert "NOT COMPARABLE: the models were scored on different words or masks" in table.caption
    assert "Bold" not in table.caption


def test_losses_of_different_vocabularies_have_no_best(results: Json, write_run: WriteRun) -> None:
    results["rows"][0]["vocabulary_size"] = 9000
    (table,) = sections_of(results, write_run)["Language-model scores"].tables
    assert not any(cell.is_best for row in table.rows for cell in row)
    assert "cannot be compared" in table.caption


def test_final_losses(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    for place, loss in enumerate((3.0, 1.0, 2.0)):
        (out / results["curves"][place]["file"]).write_text(f'{{"step": 4, "loss": {loss}}}\n', encoding="utf-8")
    results["curves"] = results["curves"][:3]
    (table,) = {s.title: s for s in build_report(load_results(out)).sections}["Loss while training"].tables
    assert table.head == ("model", "pretraining", "harbours", "cargoes")
    # seeds 0 and 1 end at 1.0 and 2.0: mean 1.5, deviation 1 / sqrt(2)
    assert texts(table)[0][:3] == ["num_steps=0", "–", "1.500 ± 0.707"]
    assert texts(table)[1][:2] == ["num_steps=1500", "3.000"]
    assert table.rows[1][1].fine_print == ("4 steps",)


def test_what_was_run(results: Json, write_run: WriteRun) -> None:
    section = sections_of(results, write_run)["What was run"]
    assert section.paragraphs[0] == (
        "All models: size core/mini, parameters 4,212,992, architecture megatron, vocabulary core/wordpiece, "
        "vocabulary size 8000, corpus core/text, start random."
    )
    models, versions, specs, files = section.tables
    assert texts(models) == [["num_steps=0", "0"], ["num_steps=1500", "1500"]]
    assert ["packages.torch", "2.13.0"] in texts(versions)
    assert texts(specs) == [["core/mini", "1", "domainlm 0.1.0"]]
    assert texts(files) == [["logbooks/a.txt", "0123456789ab…", "1,234,567"]]
    assert "[pretraining.optimizer]" in section.code


def test_epochs_are_told_for_each_corpus(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        row["epochs"] = {"core/text": 6.479, "general": 0.12} if row["steps"] else {}
    (models, *_) = sections_of(results, write_run)["What was run"].tables
    assert models.head == ("model", "steps", "epochs")
    assert texts(models) == [["num_steps=0", "0", "–"], ["num_steps=1500", "1500", "core/text 6.48, general 0.12"]]


def test_a_long_lock_is_cut(results: Json, write_run: WriteRun) -> None:
    results["lock"] = {"files": {f"{place}.txt": {"sha256": "ab" * 32} for place in range(100)}}
    (_, files) = sections_of(results, write_run)["What was run"].tables
    assert len(files.rows) == 60
    assert files.caption == "Lock record: files; 40 more entries are in results.json."


def test_problems(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    (out / results["curves"][0]["file"]).unlink()
    sections = {section.title: section for section in build_report(load_results(out)).sections}
    assert sections["Problems noted on the way"].items == (
        (
            "finetune (harbours): 3 x mention text differs, 1 x offsets outside the text. "
            "For example train.txt:17: 'Porto' is 'Port'"
        ),
        "logs/pretrain.jsonl is missing: its curve is not shown",
    )


def test_signatures_stand_below_the_table_and_different_ones_are_called_out(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        if row["stage"] == "finetune":
            other = row["dataset"] == "cargoes" and row["steps"] == 0
            row["signature"] = f"conlleval:{2 if other else 1}|protocol:conlleval entity|split:test|seeds:{row['seed']}"
    caption = sections_of(results, write_run)["Task scores"].tables[0].caption
    assert "Signature on harbours: conlleval:1|protocol:conlleval entity|split:test|seeds:0,1." in caption
    assert "NOT COMPARABLE: the scores on cargoes have different signatures: conlleval:2|" in caption


def test_types_counted_in_different_ways_have_no_best(results: Json, write_run: WriteRun) -> None:
    _, _, types = sections_of(results, write_run)["Task scores"].tables
    assert any(cell.is_best for row in types.rows for cell in row)
    for row in results["rows"]:
        if row["stage"] == "finetune":
            row["signature"] = f"conlleval:{1 if row['steps'] else 2}|protocol:conlleval entity|seeds:{row['seed']}"
    _, _, types = sections_of(results, write_run)["Task scores"].tables
    assert not any(cell.is_best for row in types.rows for cell in row)
    assert "NOT COMPARABLE" in types.caption
    assert "Bold" not in types.caption


def test_scores_on_a_part_of_a_split_are_said_to_be_so(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        if row["stage"] == "finetune":
            part = "scored:1000/4797|" if row["dataset"] == "harbours" else ""
            row["signature"] = f"conlleval:1|protocol:conlleval entity|split:test|{part}data:d|seeds:{row['seed']}"
    results["recipe"]["report"] = {"layout": {"rows": ["arm"], "columns": ["dataset"], "metrics": ["f1"]}}
    sections = sections_of(results, write_run)
    said = "Scored on a part, not to be compared with scores on all: 1,000 of 4,797 examples of harbours."
    for table in (*sections["Results"].tables, *sections["Task scores"].tables[:1]):
        assert said in table.caption
        assert (
            "Signature on harbours: conlleval:1|protocol:conlleval entity|split:test|scored:1000/4797|" in table.caption
        )
    (by_type,) = (table for table in sections["Task scores"].tables if "by entity type" in table.caption)
    assert said in by_type.caption
    (means,) = sections["Mean over data sets"].tables
    assert said in means.caption
