"""The recipes that ship with the plugin."""

from __future__ import annotations

from pathlib import Path

from domainlm.api import RecipeSpec

_FOLDER = Path(__file__).parents[1] / "recipes"
_STUDY = "Shin et al. 2020"

_RECIPES = {
    "quickstart": "does pretraining on domain text help? two named-entity tasks, synthetic text, two minutes",
    "table1": f"{_STUDY}, table 1: named entities and relations by size and vocabulary",
    "table2": f"{_STUDY}, table 2: BioASQ-7b after SQuAD, by size",
    "table3": f"{_STUDY}, table 3: break-up rates of vocabularies; nothing else is trained",
    "table4": f"{_STUDY}, table 4: BioASQ-7b without SQuAD, by size",
    "table5": f"{_STUDY}, table 5: F1 by steps of continued pretraining",
    "table6": f"{_STUDY}, table 6: BioASQ-7b with models that have not seen PubMed",
    "table7": f"{_STUDY}, table 7: generalisation to SQuAD v1.1 and v2.0",
    "table8": f"{_STUDY}, table 8: size and label bias of training sets; nothing is trained",
    "table9": f"{_STUDY}, table 9: words of corpora; nothing is trained",
    "labelling": f"{_STUDY}, section 5.1: a label for every sub-token, or one for a word",
    "vocabulary-change": "from a general model to a biomedical vocabulary, with and without its weights, at equal cost",
}

RECIPES = tuple(
    RecipeSpec(name=f"biomegatron/{name}", description=description, path=_FOLDER / f"{name}.toml")
    for name, description in _RECIPES.items()
)
