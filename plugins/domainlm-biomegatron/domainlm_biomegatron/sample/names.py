"""Invented names. A third show by their ending what they name; the others can only be known from where they occur."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from domainlm_biomegatron.sample.draws import Draws

Kind = Literal["chemical", "disease", "gene", "procedure"]

_ONSETS = ("b", "br", "d", "dr", "f", "fl", "g", "gr", "j", "k", "kl", "l", "m", "n", "p", "pr", "r", "s", "st", "t",
           "tr", "v", "w", "y", "z")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("", "", "", "l", "m", "n", "r", "s", "t", "k")

# Endings that belong to one kind, and endings that any kind may have.
_TELLING: dict[Kind, tuple[str, ...]] = {
    "chemical": ("ovrine", "adryl", "oxule", "umidol", "ephrane", "azome"),
    "disease": ("umosis", "aphtria", "eculgia", "odystis", "erethema", "ilepsia"),
    "gene": ("oprase", "ektin", "ubulin", "istase"),
    "procedure": ("ometry", "oplasty", "ography", "otripsy"),
}
_SHARED = ("aline", "orin", "esia", "umol", "ara", "exis", "ome", "idon")
_SHARE_TELLING = 0.3
_SHARE_SHARED = 0.4  # the rest has no ending at all
_SHARE_TWO_WORDS = 0.2

_SALTS = ("acetate", "chloride", "sulfate", "citrate")
_ORGANS = ("cardiac", "hepatic", "renal", "pulmonary", "spinal", "gastric")


def invent_names(kind: Kind, count: int, taken: Collection[str]) -> list[str]:
    """Return `count` names for things of one kind, in lower case, all different in their first seven letters.

    Args:
        kind: decides the telling endings and the second words ("renal ..." of diseases and procedures, "... sulfate"
            of chemicals).
        count: how many.
        taken: words that no name may begin with.
    """
    draws = Draws("names", kind)
    used = {word[:7] for word in taken}
    names: list[str] = []
    while len(names) < count:
        name = _invent_word(kind, draws)
        if name[:7] in used:
            continue
        used.add(name[:7])
        names.append(_with_second_word(kind, name, draws))
    return names


def _invent_word(kind: Kind, draws: Draws) -> str:
    stem = _syllable(draws) + _syllable(draws)
    place = draws.below(1000) / 1000
    if place < _SHARE_TELLING:
        return stem + draws.pick(_TELLING[kind])
    if place < _SHARE_TELLING + _SHARE_SHARED:
        return stem + draws.pick(_SHARED)
    return stem + _syllable(draws)


def _syllable(draws: Draws) -> str:
    return draws.pick(_ONSETS) + draws.pick(_VOWELS) + draws.pick(_CODAS)


def _with_second_word(kind: Kind, name: str, draws: Draws) -> str:
    if kind == "gene" or not draws.chance(_SHARE_TWO_WORDS):
        return name
    return f"{name} {draws.pick(_SALTS)}" if kind == "chemical" else f"{draws.pick(_ORGANS)} {name}"
