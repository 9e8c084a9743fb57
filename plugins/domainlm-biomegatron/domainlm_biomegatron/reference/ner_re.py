"""Tables 1 and 5 and section 5.1: entities and relations."""

from __future__ import annotations

from domainlm.api import Claim, Finding, ReferenceRow, ReferenceTable, TableLayout
from domainlm_biomegatron.reference.figures import SOURCE, TABLE1, TABLE5, TABLE5_STEPS

NER = ("BC5CDR-chem", "BC5CDR-disease", "NCBI-disease")
_BIO = ("345m, bio 30k", "345m, bio 50k")
_GENERAL = ("800m, BERT-cased", "1.2b, BERT-uncased")

_BY_SIZE = ("345m, bio 30k", *_GENERAL)


def _on_chemprot(arm: str) -> dict[str, str]:
    return {"arm": arm, "dataset": "ChemProt"}


_TABLE1_ROWS = tuple(
    ReferenceRow(
        labels={"arm": f"{size}, {vocabulary}" if model == "BioMegatron" else model}
        | {"parameters": size, "vocabulary": vocabulary},
        where={"dataset": dataset} | ({"arm": f"{size}, {vocabulary}"} if model == "BioMegatron" else {}),
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
        rows=("dataset", "arm", "parameters", "vocabulary"),
        metrics=("precision", "recall", "f1"),
        headings={"dataset": "benchmark", "arm": "model"},
    ),
    findings=(
        Finding(
            statement="For named entities the vocabulary matters most: smaller models with a biomedical one are ahead "
            "of larger ones with BERT's (held in the paper on both halves of BC5CDR)",
            claims=(
                Claim(
                    metric="f1",
                    first={"arm": _BIO, "dataset": ("BC5CDR-chem", "BC5CDR-disease")},
                    second={"arm": _GENERAL, "dataset": ("BC5CDR-chem", "BC5CDR-disease")},
                ),
            ),
            source="section 5, table 1",
        ),
        Finding(
            statement="Larger models give higher precision and lower recall (on ChemProt, where the paper's figures "
            "show it from size to size)",
            claims=tuple(
                claim
                for larger, smaller in zip(_BY_SIZE[1:], _BY_SIZE, strict=False)
                for claim in (
                    Claim(metric="precision", first=_on_chemprot(larger), second=_on_chemprot(smaller)),
                    Claim(metric="recall", first=_on_chemprot(larger), second=_on_chemprot(smaller), relation="lower"),
                )
            ),
            source="section 5, table 1",
        ),
    ),
    note="BioM-Transformers (Alrowili and Shanker 2021) report, after asking, that the study's entity scores count "
    "sub-tokens, and that its ChemProt was prepared in another way; the study itself names conlleval.",
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
        ReferenceRow(labels={"arm": arm}, where={"dataset": dataset, "arm": arm}, values={"f1": value})
        for dataset, values in TABLE5.items()
        for arm, value in zip(STEP_ARMS, values, strict=True)
    ),
    layout=TableLayout(rows=("dataset",), columns=("arm",), metrics=("f1",), headings={"dataset": "benchmark"}),
    findings=(
        Finding(
            statement="A general-domain checkpoint needs long continued pretraining on domain text: F1 goes on rising "
            "from the first point to the third, and from there to the sixth",
            claims=tuple(
                Claim(metric="f1", first={"arm": later}, second={"arm": earlier})
                for earlier, later in ((STEP_ARMS[0], STEP_ARMS[2]), (STEP_ARMS[2], STEP_ARMS[5]))
            ),
            source="section 5, table 5",
        ),
        Finding(
            statement="On ChemProt F1 is highest at the fourth point, and lower at the end",
            claims=(
                Claim(
                    metric="f1",
                    first={"arm": STEP_ARMS[6], "dataset": "ChemProt"},
                    second={"arm": STEP_ARMS[3], "dataset": "ChemProt"},
                    relation="lower",
                ),
            ),
            source="table 5",
        ),
    ),
    note="Steps are the paper's, also where a smaller scale takes fewer: its recipe says how many.",
)

LABELLING = ReferenceTable(
    name="biomegatron/labelling",
    description="section 5.1: what a label stands for",
    title="Section 5.1: a label for every sub-token, or one for a word",
    source=SOURCE,
    layout=TableLayout(rows=("dataset",), columns=("arm",), metrics=("f1",), headings={"dataset": "benchmark"}),
    findings=(
        Finding(
            statement="The choice moves F1 by about two points; the paper labels BC5CDR by sub-token and NCBI-disease "
            "by whole entity, so each is better on its own",
            claims=(
                Claim(
                    metric="f1",
                    first={"arm": "every sub-token", "dataset": ("BC5CDR-chem", "BC5CDR-disease")},
                    second={"arm": "whole words", "dataset": ("BC5CDR-chem", "BC5CDR-disease")},
                ),
                Claim(
                    metric="f1",
                    first={"arm": "whole words", "dataset": "NCBI-disease"},
                    second={"arm": "every sub-token", "dataset": "NCBI-disease"},
                ),
            ),
            source="section 5.1; the direction is read off the paper's choice, which it gives no figures for",
        ),
    ),
)
