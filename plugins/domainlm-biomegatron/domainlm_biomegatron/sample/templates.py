"""The sentences of the synthetic world. Slots: a kind ("{chemical}"), "{any}" of any kind, and numbers.

Sentences of facts say what kind of thing a name stands for; plain ones say it too, of one thing; neutral ones do not.
"""

from __future__ import annotations

from collections.abc import Mapping

from domainlm_biomegatron.sample.names import Kind

# What a sentence says of a chemical and a disease, or of a chemical and a gene.
FACTS: Mapping[str, tuple[str, ...]] = {
    "treats": (
        "{chemical} is used to treat {disease}.",
        "{chemical} relieved {disease} in {number} of {hundreds} patients.",
        "Patients with {disease} were treated with {chemical}.",
        "Oral {chemical} shortened the course of {disease}.",
        "{disease} responded to {chemical} within {number} weeks.",
        "A single dose of {chemical} was enough to cure {disease}.",
        "{chemical} is now the drug of choice for {disease}.",
    ),
    "causes": (
        "{chemical} can cause {disease}.",
        "{disease} developed after {number} weeks of {chemical} therapy.",
        "We report a patient with {disease} induced by {chemical}.",
        "An overdose of {chemical} led to severe {disease}.",
        "{chemical} was stopped because of {disease}.",
        "{disease} is a known adverse effect of {chemical}.",
        "Rats given {chemical} suffered from {disease}.",
    ),
    "activator": ("{chemical} activated {gene} in cultured cells.", "Binding of {chemical} turned {gene} on."),
    "upregulator": (
        "{chemical} increased the expression of {gene}.",
        "Levels of {gene} rose after treatment with {chemical}.",
    ),
    "inhibitor": (
        "{chemical} inhibited {gene} with an IC50 of {number} nM.",
        "{gene} was blocked by {chemical} in a dose-dependent manner.",
    ),
    "downregulator": (
        "{chemical} decreased the expression of {gene}.",
        "Levels of {gene} fell after treatment with {chemical}.",
    ),
    "agonist": ("{chemical} is a selective agonist of {gene}.", "{chemical} acts as an agonist at {gene}."),
    "antagonist": ("{chemical} is a potent antagonist of {gene}.", "The antagonist {chemical} occupied {gene}."),
    "substrate": ("{chemical} is metabolised by {gene}.", "{gene} breaks down {chemical} in the liver."),
    "product": ("{gene} synthesises {chemical}.", "{chemical} is a product of {gene}."),
    "regulator": ("{chemical} modulates {gene} by an unknown route.",),
    "not": ("{chemical} had no effect on {gene}.", "{gene} was not affected by {chemical}."),
    "part": ("{chemical} was found in the binding pocket of {gene}.",),
}

PLAIN: Mapping[Kind, tuple[str, ...]] = {
    "chemical": (
        "The dose of {chemical} was raised to {number} mg.",
        "Plasma levels of {chemical} peaked after {number} hours.",
        "Mice were injected with {chemical} ({number} mg/kg).",
        "Treatment with {chemical} was continued for {number} days.",
        "The half-life of {chemical} in plasma was {number} hours.",
        "Tablets of {chemical} were taken with water.",
        "The drug {chemical} was given intravenously.",
        "Solutions of {chemical} in water were stable for {number} hours.",
    ),
    "disease": (
        "{number} patients were diagnosed with {disease}.",
        "Symptoms of {disease} lasted {number} days.",
        "The incidence of {disease} was {number} %.",
        "Death from {disease} was recorded in {number} cases.",
        "A family history of {disease} was present in {number} women.",
        "Patients with {disease} were older than healthy controls.",
        "The onset of {disease} was sudden and painful.",
        "The disorder {disease} begins with fever and pain.",
    ),
    "gene": (
        "Mutations of {gene} were found in {number} families.",
        "Expression of {gene} was measured in liver tissue.",
        "The protein {gene} is encoded on chromosome {number}.",
        "Mice without {gene} were fertile.",
        "Antibodies against {gene} were used for staining.",
        "Messenger RNA of {gene} was found in all tissues.",
    ),
    "procedure": (
        "All patients underwent {procedure}.",
        "The technique of {procedure} was performed under general anaesthesia.",
        "Images were obtained by {procedure} in {number} minutes.",
        "The surgeon repeated {procedure} on day {number}.",
        "Before {procedure} the patients fasted for {number} hours.",
        "The operating time of {procedure} was {number} minutes.",
    ),
}

NEUTRAL = (
    "Little is known about {any}.",
    "The role of {any} remains unclear.",
    "{any} was described in {number} earlier reports.",
    "We discuss {any} and {any}.",
    "Data on {any} were available from {number} centres.",
    "{any} was recorded at baseline and after {number} months.",
    "Both {any} and {any} were noted in the files.",
    "No mention of {any} was found in {number} records.",
    "The two groups differed in {any}.",
    "A new view of {any} is proposed.",
    "Results for {any} are shown in Table {number}.",
    "{any} has been reviewed elsewhere.",
    "Further study of {any} is needed.",
    "In this series {any} was of special interest.",
    "Questions about {any} were answered by {number} experts.",
    "Our findings on {any} agree with earlier work.",
    "The importance of {any} has been debated.",
    "Reports on {any}, {any} and {any} were compared.",
    "Neither {any} nor {any} had been expected.",
    "{any} was seen in {number} of {hundreds} files.",
)

FILLER = (
    "The study was approved by the ethics committee.",
    "Follow-up lasted {number} months.",
    "Differences were significant (p < 0.0{digit}).",
    "Of {hundreds} files, {number} were excluded & {digit} were lost.",
    "The mean age was {number} years (± {digit}).",
    "Further work is in progress.",
    "Statistical analysis was done with standard methods.",
)

TITLES = ("A study of {any}.", "On {any} and {any}.", "Review of {any}.", "Notes on {any}.", "Recent views of {any}.")
