"""What the core itself gives, tried with the kit for plugin authors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.model.config import ModelConfig
from domainlm.plugin import Registry
from domainlm.testing import check_corpus, check_model_size, check_task, check_vocabulary, plugin_registry

Fixture = Callable[..., Any]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return plugin_registry()


def test_the_core_gives_these_names(registry: Registry) -> None:
    """A name, once given, stays: recipes hold it."""
    assert {table.key: list(table) for table in registry.tables} == {
        "corpora": ["core/jsonl", "core/task-text", "core/text"],
        "vocabularies": ["core/bpe", "core/file", "core/start", "core/unigram", "core/wordpiece"],
        "model_sizes": ["core/22m", "core/base", "core/large", "core/mini", "core/small", "core/tiny"],
        "tasks": [
            "core/brat",
            "core/classification-jsonl",
            "core/classification-tsv",
            "core/conll",
            "core/relations-jsonl",
            "core/spans",
            "core/squad",
        ],
        "recipes": [],
        "output_formats": ["core/jsonl"],
        "reference_tables": [],
    }


@pytest.mark.parametrize(
    ("name", "text", "num_documents"),
    [
        ("core/text", "Boil.\nServe.\n\nFry the onions.\n", 2),
        ("core/jsonl", '{"id": "a", "text": "Boil.\\nServe."}\n{"id": "b", "text": "Fry the onions."}\n', 2),
    ],
)
def test_corpora_are_read(registry: Registry, tmp_path: Path, name: str, text: str, num_documents: int) -> None:
    path = tmp_path / f"soups{registry.corpus(name).patterns[0][1:]}"
    path.write_text(text, encoding="utf-8")

    assert check_corpus(registry.corpus(name), path).num_documents == num_documents


_SPANS = """\
{"text": "Boil leeks", "entities": [{"start": 5, "end": 10, "type": "food"}]}
{"text": "Fry red onions", "entities": [{"start": 4, "end": 14, "type": "food"}]}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core/conll", "Boil\tO\nleeks\tB-food\n\nFry\tO\nred\tB-food\nonions\tI-food\n"),
        ("core/spans", _SPANS),
    ],
)
def test_tasks_are_read(registry: Registry, tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / registry.task(name).files["train"][0]
    path.write_text(text, encoding="utf-8")

    counts = check_task(registry.task(name), path)

    assert (counts.num_examples, counts.num_words, counts.num_entities) == (2, 5, {"food": 2})


_RELATIONS = """\
{"text": "Boil leeks", "entities": [{"start": 0, "end": 4, "type": "verb"}, {"start": 5, "end": 10, "type": "food"}],\
 "relations": [{"first": 0, "second": 1, "label": "cooks"}]}
"""


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("core/classification-tsv", "Boil leeks\tsoup\nFry onions\tpan\n", {"pan": 1, "soup": 1}),
        ("core/classification-jsonl", '{"text": "Boil", "second_text": "How?", "label": "soup"}\n', {"soup": 1}),
        ("core/relations-jsonl", _RELATIONS, {"cooks": 1}),
    ],
)
def test_sequence_tasks_are_read(
    registry: Registry, tmp_path: Path, name: str, text: str, labels: dict[str, int]
) -> None:
    path = tmp_path / registry.task(name).files["train"][0]
    path.write_text(text, encoding="utf-8")

    counts = check_task(registry.task(name), path)

    assert (counts.num_labels, counts.problems) == (labels, {})


def test_span_tasks_are_read(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / registry.task("core/squad").files["train"][0]
    asked = {"id": 1, "question": "What is boiled?", "answers": [{"text": "leeks", "answer_start": 5}]}
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": "Boil leeks", "qas": [asked]}]}]}))

    counts = check_task(registry.task("core/squad"), path)

    assert (counts.num_examples, counts.num_answers, counts.problems) == (1, 1, {})


# Encoders as published: Turc et al. (2019), table 1, in millions, with BERT's 30,522 entries; MiniLM's repository says
# 22M; Devlin et al. (2019) say 340M for large. All are rounded.
@pytest.mark.parametrize(
    ("name", "millions"),
    [("tiny", 4.4), ("mini", 11.3), ("small", 29.1), ("22m", 22.0), ("base", 110.1), ("large", 340.0)],
)
def test_sizes_have_the_published_numbers_of_parameters(registry: Registry, name: str, millions: float) -> None:
    spec = registry.model_size(f"core/{name}")
    config = ModelConfig.from_spec(spec, vocabulary_size=30_522, vocabulary_multiple=1)

    assert config.num_parameters / 1e6 == pytest.approx(millions, rel=0.03)
    assert check_model_size(spec) < config.num_parameters


@pytest.mark.parametrize("name", ["core/bpe", "core/file", "core/start", "core/unigram", "core/wordpiece"])
def test_vocabularies_are_sound(registry: Registry, name: str) -> None:
    assert check_vocabulary(registry.vocabulary(name)) == 0
