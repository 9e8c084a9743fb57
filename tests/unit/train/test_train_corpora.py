"""Real text in packed rows."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path
from typing import get_args

import pytest

from domainlm.api import Document
from domainlm.recipe.pretraining_settings import MaskingSettings, PretrainingSettings
from domainlm.study.preparation import encoding_of
from domainlm.text.corpus import document_sentences
from domainlm.text.pairs import SecondObjective
from domainlm.text.preparation.encoding import encode_text
from domainlm.train.corpora import corpus_batches
from domainlm.vocab.vocabulary import Vocabulary

_NUM_DOCUMENTS = {"biomed/pubmed-abstracts": 2_500, "biomed/pmc-fulltext": 60, "general/general-english": 200}
_ROWS_AT_ONCE = 512


@pytest.fixture(scope="module", params=_NUM_DOCUMENTS)
def encoded(request: pytest.FixtureRequest, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first documents of a corpus, encoded by BERT's cased vocabulary."""
    folder = tmp_path_factory.mktemp("encoded")
    with gzip.open(data_dir / "corpora" / f"{request.param}.txt.gz", "rt", encoding="utf-8") as stream:
        blocks = islice(stream.read().split("\n\n"), _NUM_DOCUMENTS[request.param])
        documents = [document_sentences(Document("", tuple(block.splitlines()))) for block in blocks]
    text = folder / "text.txt"
    text.write_text("".join("\n".join([*sentences, "", ""]) for sentences in documents), encoding="utf-8")
    encoding = encoding_of(data_dir / "vocab" / "bert-base-cased-vocab.txt")
    encode_text(text, folder / "tokens", encoding=encoding, num_workers=1, work=folder / "work")
    return folder / "tokens"


@pytest.mark.real
@pytest.mark.parametrize("objective", get_args(SecondObjective))
@pytest.mark.parametrize("max_tokens", [128, 512])
def test_98_percent_of_the_slots_hold_tokens(
    encoded: Path, data_dir: Path, max_tokens: int, objective: SecondObjective
) -> None:
    vocabulary = Vocabulary.load(data_dir / "vocab" / "bert-base-cased-vocab.txt", cased=True)
    settings = PretrainingSettings(
        num_steps=1, max_tokens=max_tokens, second_objective=objective, masking=MaskingSettings(unit="span")
    )
    batches = corpus_batches(settings, encoded, vocabulary, 0, packing=True)
    num_tokens = sum(
        batches.batch(range(start, min(start + _ROWS_AT_ONCE, batches.num_sequences))).num_tokens
        for start in range(0, batches.num_sequences, _ROWS_AT_ONCE)
    )
    assert num_tokens / (batches.num_sequences * max_tokens) >= 0.98
