"""Tables 3, 8 and 9: vocabularies, labels and corpora, for which nothing is trained."""

from __future__ import annotations

from domainlm.api import Claim, Finding, ReferenceRow, ReferenceTable, TableLayout
from domainlm_biomegatron.reference.figures import SOURCE, TABLE3, TABLE8, TABLE9

_RATE = "break_up_rate"
_NER = ("BC5CDR-chem", "BC5CDR-disease")
_PUBMEDBERT = "PubMedBERT-uncased 30k"
_UNCASED = "bio 30k uncased"
_BERT = TABLE3[0][0]
_BILLION = 1e9


def _rate(vocabulary: str, *others: str) -> Claim:
    return Claim(metric=_RATE, first={"arm": vocabulary}, second={"arm": others}, relation="lower")


TABLE_3 = ReferenceTable(
    name="biomegatron/table3",
    description="table 3: break-up rates",
    title="Table 3: sub-tokens per word of the named entities in the training sets",
    source=SOURCE,
    rows=tuple(
        ReferenceRow(
            labels={"arm": vocabulary},
            where={"dataset": dataset, "arm": _UNCASED if vocabulary == _PUBMEDBERT else vocabulary},
            values={_RATE: value},
            note=f"Beside {_PUBMEDBERT} stands a vocabulary of its size, learned here: its own is not given."
            if vocabulary == _PUBMEDBERT
            else "",
        )
        for vocabulary, *values in TABLE3
        for dataset, value in zip(_NER, values, strict=True)
    ),
    layout=TableLayout(rows=("arm",), columns=("dataset",), metrics=(_RATE,), headings={"arm": "vocabulary"}),
    findings=(
        Finding(
            statement="BERT's cased vocabulary breaks the words of entities up as often as the paper says, within 1 %",
            claims=tuple(
                Claim(
                    metric=_RATE,
                    first={"arm": _BERT, "dataset": dataset},
                    second=value,
                    relation="equal",
                    within=0.01,
                )
                for dataset, value in zip(_NER, TABLE3[0][1:], strict=True)
                if isinstance(value, float)
            ),
            source="table 3",
        ),
        Finding(
            statement="Biomedical vocabularies keep entities whole more often, the larger one most",
            claims=(
                _rate("bio 30k cased", _BERT),
                _rate("bio 50k cased", "bio 30k cased"),
                _rate(_UNCASED, "bio 30k cased"),
            ),
            source="section 5, table 3",
        ),
    ),
    note="The paper's biomedical vocabularies are SentencePiece's, of 4.5 billion words; those here are WordPiece, of "
    "the recipe's corpus. One that is small and holds the training abstracts themselves gives lower rates.",
)

_REPEATS = "Bias: repeats of the rarest answer / of the most frequent one."
_BIAS_NOTES = {
    "BC5CDR": "Bias: labels that begin an entity / labels of words. How the paper cut its 5,235 samples is not stated.",
    "ChemProt": "Bias: pairs with a relation / pairs without. The paper's samples are the lines of BLUE's file, with "
    "its head: 4,154 / 15,306 = 0.27. Ours are all pairs within a sentence as split here: fewer without a relation.",
    "SQuAD-v1.0": _REPEATS,
    "BioASQ-7b": _REPEATS,
}
_MEASURED_8 = tuple(_BIAS_NOTES)

TABLE_8 = ReferenceTable(
    name="biomegatron/table8",
    description="table 8: size and label bias of training sets",
    title="Table 8: size and label bias of the training sets",
    source=SOURCE,
    rows=tuple(
        ReferenceRow(
            labels={"dataset": dataset},
            where={"dataset": dataset},
            values={"num_examples": float(samples), "label_bias": bias},
            is_alone=dataset not in _MEASURED_8,
            note=_BIAS_NOTES.get(dataset, f"{dataset} ({task}) is general text, which the recipe does not measure."),
        )
        for task, dataset, samples, bias in TABLE8
    ),
    layout=TableLayout(
        rows=("dataset",), metrics=("num_examples", "label_bias"), where={"split": "train"}, headings={}
    ),
    findings=(
        Finding(
            statement="BC5CDR has a bias of 0.08",
            claims=(
                Claim(
                    metric="label_bias",
                    first={"dataset": "BC5CDR"},
                    second=0.08,
                    relation="equal",
                    within=0.02,
                    each=(),
                ),
            ),
            source="table 8",
        ),
        Finding(
            statement="Labels of BC5CDR are more biased than those of ChemProt",
            claims=(
                Claim(
                    metric="label_bias",
                    first={"dataset": "BC5CDR"},
                    second={"dataset": "ChemProt"},
                    relation="lower",
                    each=(),
                ),
            ),
            source="table 8",
        ),
    ),
)

TABLE_9 = ReferenceTable(
    name="biomegatron/table9",
    description="table 9: corpora of pretraining",
    title="Table 9: words of pretraining corpora",
    source=SOURCE,
    rows=tuple(
        ReferenceRow(
            labels={"arm": model, "corpus": corpus},
            where={"arm": model},
            values={"num_words": float(words.removesuffix(" billion")) * _BILLION},
        )
        for model, corpus, words in TABLE9
    ),
    layout=TableLayout(
        rows=("arm", "corpus"),
        metrics=("num_words",),
        where={"dataset": "together"},
        headings={"arm": "model"},
    ),
    note="The paper's corpora are all of PubMed and PMC of 2020; words here are counted in the recipe's files.",
)
