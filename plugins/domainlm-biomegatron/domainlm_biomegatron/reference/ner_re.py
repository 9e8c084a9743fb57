"""Tables 1 and 5 and section 5.1: entities and relations."""

from __future__ import annotations

from typing import Literal

from domainlm.api import Claim, FieldValue, Finding, ReferenceRow, ReferenceTable, TableLayout
from domainlm_biomegatron.reference.figures import SOURCE, TABLE1, TABLE5, TABLE5_STEPS

_CHEM, _DISEASE, _CHEMPROT = "BC5CDR-chem", "BC5CDR-disease", "ChemProt"
_WORDS, _SUB_TOKENS, _RELATIONS = "conlleval entity", "sub-token entity", "scored labels"
# The study labels BC5CDR by sub-token and NCBI-disease by whole entity (section 5.1), and counts what it labels.
_COUNTED = {_CHEM: _SUB_TOKENS, _DISEASE: _SUB_TOKENS, "NCBI-disease": _WORDS, _CHEMPROT: _RELATIONS}
_SHOWN = (_SUB_TOKENS, _WORDS, _RELATIONS)
_COUNTING_NOTE = (
    "The study's scores on BC5CDR count sub-tokens, as Alrowili and Shanker (2021) report after asking, so its figures "
    "stand beside ours of that protocol; those of words differ by some two points. Findings are looked at by "
    "words."
)

_BIO_30K, _BIO_50K, _800M, _1_2B = "345m, bio 30k", "345m, bio 50k", "800m, BERT-cased", "1.2b, BERT-uncased"
_BY_SIZE = (_BIO_30K, _800M, _1_2B)


def _claim(
    metric: str, first: str, second: str, *datasets: str, relation: Literal["higher", "lower"] = "higher"
) -> Claim:
    """Of two arms, on each of some data sets; of entities the scores that count words."""
    protocol = _RELATIONS if datasets == (_CHEMPROT,) else _WORDS
    on: dict[str, FieldValue | tuple[FieldValue, ...]] = {"dataset": datasets, "protocol": protocol}
    return Claim(
        metric=metric, first={"arm": first, **on}, second={"arm": second, **on}, relation=relation, each=tuple(on)
    )


_TABLE1_ROWS = tuple(
    ReferenceRow(
        labels={"arm": f"{size}, {vocabulary}" if model == "BioMegatron" else model}
        | {"parameters": size, "vocabulary": vocabulary},
        where={"dataset": dataset, "protocol": _COUNTED[dataset]}
        | ({"arm": f"{size}, {vocabulary}"} if model == "BioMegatron" else {}),
        values={"precision": precision, "recall": recall, "f1": f1},
        is_alone=model != "BioMegatron",
    )
    for dataset, model, size, vocabulary, precision, recall, f1 in TABLE1
)

TABLE_1 = ReferenceTable(
    name="biomegatron/table1",
    description="table 1: named entities and relations by size and vocabulary",
    title="Table 1: named-entity recognition and relation extraction by model size and vocabulary",
    source=SOURCE,
    rows=_TABLE1_ROWS,
    layout=TableLayout(
        rows=("dataset", "protocol", "arm", "parameters", "vocabulary"),
        metrics=("precision", "recall", "f1"),
        where={"protocol": _SHOWN},
        headings={"dataset": "benchmark", "arm": "model"},
    ),
    findings=(
        Finding(
            statement="For named entities the vocabulary matters most: on BC5CDR 345m with a biomedical one is ahead "
            "of 800m and of 1.2b with BERT's (all pairs but one: on diseases the paper has bio 30k below 800m, and on "
            "NCBI-disease both)",
            claims=(
                _claim("f1", _BIO_30K, _800M, _CHEM),
                _claim("f1", _BIO_30K, _1_2B, _CHEM, _DISEASE),
                _claim("f1", _BIO_50K, _800M, _CHEM, _DISEASE),
                _claim("f1", _BIO_50K, _1_2B, _CHEM, _DISEASE),
            ),
            source="section 5, table 1",
        ),
        Finding(
            statement="Larger models give higher precision and lower recall (on ChemProt, where the paper's figures "
            "show it from size to size, though vocabularies and starts change, too)",
            claims=tuple(
                claim
                for larger, smaller in zip(_BY_SIZE[1:], _BY_SIZE, strict=False)
                for claim in (
                    _claim("precision", larger, smaller, _CHEMPROT),
                    _claim("recall", larger, smaller, _CHEMPROT, relation="lower"),
                )
            ),
            source="section 5, table 1",
        ),
    ),
    note=f"{_COUNTING_NOTE} NCBI-disease it labels by whole entity. The study itself names conlleval. Its ChemProt, "
    "they report, was prepared in another way.",
)


def _steps(number: float) -> str:
    return f"{number:.0e} steps".replace("e+0", "e")


STEP_ARMS = tuple(map(_steps, TABLE5_STEPS))
"""What the arms of table 5 are called."""

TABLE_5 = ReferenceTable(
    name="biomegatron/table5",
    description="table 5: F1 by steps of continued pretraining",
    title="Table 5: F1 by steps of continued pretraining, from a general-domain 1.2b",
    source=SOURCE,
    rows=tuple(
        ReferenceRow(
            labels={"arm": arm},
            where={"dataset": dataset, "protocol": _COUNTED[dataset], "arm": arm},
            values={"f1": value},
        )
        for dataset, values in TABLE5.items()
        for arm, value in zip(STEP_ARMS, values, strict=True)
    ),
    layout=TableLayout(
        rows=("dataset", "protocol"),
        columns=("arm",),
        metrics=("f1",),
        where={"protocol": _SHOWN},
        headings={"dataset": "benchmark"},
    ),
    findings=(
        Finding(
            statement="A general-domain checkpoint needs long continued pretraining on domain text: F1 goes on rising "
            "from the first point to the third, and from there to the sixth",
            claims=tuple(
                claim
                for earlier, later in ((STEP_ARMS[0], STEP_ARMS[2]), (STEP_ARMS[2], STEP_ARMS[5]))
                for claim in (
                    _claim("f1", later, earlier, _CHEM, _DISEASE),
                    _claim("f1", later, earlier, _CHEMPROT),
                )
            ),
            source="section 5, table 5",
        ),
        Finding(
            statement="On ChemProt F1 is highest at the fourth of the seven points",
            claims=tuple(_claim("f1", STEP_ARMS[3], other, _CHEMPROT) for other in STEP_ARMS if other != STEP_ARMS[3]),
            source="table 5",
        ),
    ),
    note=f"{_COUNTING_NOTE} Steps are the paper's, also where a smaller scale takes fewer: its recipe says how many.",
)

LABELLING = ReferenceTable(
    name="biomegatron/labelling",
    description="section 5.1: what a label stands for",
    title="Section 5.1: a label for every sub-token, or one for a word",
    source=SOURCE,
    layout=TableLayout(rows=("dataset",), columns=("arm",), metrics=("f1",), headings={"dataset": "benchmark"}),
    findings=(
        Finding(
            statement="Each way of labelling is better where the paper takes it: by sub-token on BC5CDR, by whole "
            "entity on NCBI-disease",
            claims=(
                _claim("f1", "every sub-token", "whole words", _CHEM, _DISEASE),
                _claim("f1", "whole words", "every sub-token", "NCBI-disease"),
            ),
            source="section 5.1; read off the paper's choice, which it gives no figures for",
        ),
    ),
    note="The paper says that the choice moves F1 by about two points, and not in which direction: that is not judged. "
    "Both arms are counted by words.",
)
