"""The core's own specs. Readers are imported when the first file is read, so that declaring them costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from domainlm.api import (
    CorpusSpec,
    Document,
    ModelSizeSpec,
    OutputSpec,
    PairRules,
    Prediction,
    ProblemLog,
    RelationExample,
    SequenceExample,
    SpanExample,
    Split,
    TaskSpec,
    TokenExample,
    VocabularySpec,
)
from domainlm.plugin.marker import hookimpl

SQUAD_DEFAULTS: Mapping[str, object] = {
    "num_epochs": 10,
    "max_tokens": 512,
    "head": {"num_fc_layers": 2, "fc_hidden": 2048, "dropout": 0.1},
    "optimizer": {"learning_rate": 3e-5},
}
"""As Shin et al. 2020 fine-tune on SQuAD; stride, longest question and answer are BERT's (`[finetuning.span]`)."""
_CONLL_FILES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train.txt", "train.tsv", "train.conll", "train.iob"),
    "dev": ("dev.txt", "dev.tsv", "dev.conll", "dev.iob", "devel.tsv", "valid.txt"),
    "test": ("test.txt", "test.tsv", "test.conll", "test.iob"),
}
_TSV_FILES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train.tsv",),
    "dev": ("dev.tsv", "devel.tsv", "valid.tsv"),
    "test": ("test.tsv",),
}
_SQUAD_FILES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train-v1.1.json", "train-v2.0.json", "train.json"),
    "dev": ("dev-v1.1.json", "dev-v2.0.json", "dev.json"),
    "test": ("test.json", "test-v1.1.json", "test-v2.0.json"),
}
_JSONL_FILES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train.jsonl",),
    "dev": ("dev.jsonl",),
    "test": ("test.jsonl",),
}


def read_text(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream plain text: a paragraph a line, a blank line between documents."""
    from domainlm.builtin.formats.plain import read_plain_text

    return read_plain_text(path, problems)


def read_jsonl(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream documents given as a JSON object a line."""
    from domainlm.builtin.formats.jsonl import read_jsonl as read

    return read(path, problems)


def read_conll(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream sentences given as a word and its tag a line."""
    from domainlm.builtin.formats.conll import read_conll as read

    return read(path, problems)


def read_spans(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream texts with entity offsets, given as a JSON object a line."""
    from domainlm.builtin.formats.spans import read_spans_jsonl

    return read_spans_jsonl(path, problems)


def read_brat(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the sentences of a text with brat's annotations beside it."""
    from domainlm.builtin.formats.brat import read_brat as read

    return read(path, problems)


def brat_text(path: Path) -> tuple[Path, ...]:
    """The text beside a file of brat's annotations."""
    from domainlm.builtin.formats.brat import text_beside

    return text_beside(path)


def read_classification_tsv(path: Path, problems: ProblemLog) -> Iterator[SequenceExample]:
    """Stream texts with a label each, given as tab-separated columns."""
    from domainlm.builtin.formats.classification import read_classification_tsv as read

    return read(path, problems)


def read_squad(path: Path, problems: ProblemLog) -> Iterator[SpanExample]:
    """Give out questions with contexts and answers, in SQuAD's JSON."""
    from domainlm.builtin.formats.squad import read_squad as read

    return read(path, problems)


def read_classification_jsonl(path: Path, problems: ProblemLog) -> Iterator[SequenceExample]:
    """Stream texts with a label each, given as a JSON object a line."""
    from domainlm.builtin.formats.classification import read_classification_jsonl as read

    return read(path, problems)


def read_relations(path: Path, problems: ProblemLog) -> Iterator[RelationExample]:
    """Stream documents with mentions and relations, given as a JSON object a line."""
    from domainlm.builtin.formats.relations import read_relations_jsonl

    return read_relations_jsonl(path, problems)


def write_jsonl(predictions: Iterable[Prediction]) -> Iterator[str]:
    """Stream predictions, a JSON object a line."""
    from domainlm.builtin.formats.predictions import write_jsonl as write

    return write(predictions)


@hookimpl
def domainlm_corpora() -> list[CorpusSpec]:
    """Text formats."""
    return [
        CorpusSpec(
            name="core/text",
            description="plain text: a paragraph a line, a blank line between documents",
            read=read_text,
            patterns=("*.txt", "*.txt.gz"),
        ),
        CorpusSpec(
            name="core/jsonl",
            description='JSON lines: {"text": ...} and optionally "id" and facts about the document',
            read=read_jsonl,
            patterns=("*.jsonl", "*.jsonl.gz"),
        ),
        CorpusSpec(
            name="core/task-text",
            description="the texts of the training splits of the recipe's tasks, to adapt to them",
            read=read_text,
        ),
    ]


@hookimpl
def domainlm_vocabularies() -> list[VocabularySpec]:
    """Vocabularies."""
    return [
        VocabularySpec(
            name="core/wordpiece",
            description="WordPiece (Schuster and Nakajima 2012), learned from the corpus",
            algorithm="wordpiece",
        ),
        VocabularySpec(
            name="core/bpe",
            description="byte-level BPE (Radford et al. 2019) of BERT's words, learned from the corpus",
            algorithm="bpe",
        ),
        VocabularySpec(
            name="core/unigram",
            description="Unigram (Kudo 2018) of BERT's words, learned from the corpus",
            algorithm="unigram",
        ),
        VocabularySpec(
            name="core/file",
            description="read from a BERT vocab.txt or a tokenizer.json",
            algorithm="file",
        ),
        VocabularySpec(
            name="core/start",
            description="that of the model which pretraining starts from",
            algorithm="file",
        ),
    ]


@hookimpl
def domainlm_model_sizes() -> list[ModelSizeSpec]:
    """Model sizes; tiny to small are those of Turc et al. (2019), base and large those of Devlin et al. (2019)."""
    return [
        _size("tiny", "2 layers, 128 wide: seconds on a laptop, for tests and first tries", 2, 128, 2),
        _size("mini", "4 layers, 256 wide: minutes on a laptop", 4, 256, 4),
        _size("small", "4 layers, 512 wide: hours on a laptop", 4, 512, 8),
        _size("22m", "6 layers, 384 wide, as MiniLM (Wang et al. 2020): 22 million with BERT's vocabulary", 6, 384, 12),
        _size("base", "12 layers, 768 wide, as BERT-base", 12, 768, 12),
        _size("large", "24 layers, 1024 wide, as BERT-large", 24, 1024, 16),
    ]


@hookimpl
def domainlm_tasks() -> list[TaskSpec]:
    """Task formats."""
    return [
        TaskSpec(
            name="core/conll",
            description="named entities in columns: a word and its tag a line (IOB and IOBES kinds)",
            kind="token",
            version=2,
            read=read_conll,
            files=_CONLL_FILES,
        ),
        TaskSpec(
            name="core/spans",
            description='named entities as JSON lines: {"text", "entities": [{"start", "end", "type"}]}',
            kind="token",
            read=read_spans,
            files=_JSONL_FILES,
        ),
        TaskSpec(
            name="core/classification-tsv",
            description="a label for a text or a pair of texts, in columns: text, label or text, second_text, label",
            kind="sequence",
            read=read_classification_tsv,
            files=_TSV_FILES,
        ),
        TaskSpec(
            name="core/classification-jsonl",
            description='a label for a text or a pair of texts, as JSON lines: {"text", "second_text", "label"}',
            kind="sequence",
            read=read_classification_jsonl,
            files=_JSONL_FILES,
        ),
        TaskSpec(
            name="core/relations-jsonl",
            description='relations between mentions, as JSON lines: {"text", "entities", "relations"}',
            kind="sequence",
            read=read_relations,
            pairs=PairRules(),
            files=_JSONL_FILES,
        ),
        TaskSpec(
            name="core/brat",
            description="named entities as brat's standoff annotations: NAME.ann beside NAME.txt, a folder each split",
            kind="token",
            read=read_brat,
            companions=brat_text,
        ),
        TaskSpec(
            name="core/squad",
            description="answers in a text, as SQuAD's JSON (v1.1 and v2.0)",
            kind="span",
            read=read_squad,
            files=_SQUAD_FILES,
            defaults=SQUAD_DEFAULTS,
        ),
    ]


@hookimpl
def domainlm_output_formats() -> list[OutputSpec]:
    """Formats of predictions."""
    return [
        OutputSpec(name="core/jsonl", description="a JSON object a line: all that a model says", write=write_jsonl),
    ]


def _size(name: str, description: str, layers: int, hidden: int, heads: int) -> ModelSizeSpec:
    return ModelSizeSpec(name=f"core/{name}", description=description, layers=layers, hidden=hidden, heads=heads)
