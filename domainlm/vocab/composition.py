"""What each entry of a new vocabulary is made of in an old one: the start of its vector.

Shared entries are copied. The others are the mean of the old sub-tokens that they are cut into (Gee et al. 2022, "Fast
Vocabulary Transfer", section 3), a sparse mixture of shared entries that occur alike (Dobler and de Melo 2023, "FOCUS",
section 2), or drawn at random.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from domainlm.vocab.marks import Piece
from domainlm.vocab.vocabulary import Vocabulary

Origin = Literal["special", "copied", "averaged", "mixed", "random"]
_ROLES = ("pad_id", "unk_id", "cls_id", "sep_id", "mask_id")
_BROKEN_BYTE = "\\x"
_UNIT = re.compile(r"\\x[89a-f][0-9a-f]|.", re.DOTALL)
"""A character, or a byte that is none, which is written as four."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some old entries with their weights, which sum to 1.

    Attributes:
        ids: old entries.
        weights: of each.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Composition:
    """Every new entry in terms of old ones.

    Attributes:
        parts: by new id; None for entries that are drawn at random.
        origins: by new id.
    """

    parts: tuple[Part | None, ...]
    origins: tuple[Origin, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many entries are of each origin."""
        counted = Counter(self.origins)
        return {f"num_{origin}": counted[origin] for origin in ("special", "copied", "averaged", "mixed", "random")}

    def apply(self, old: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
        """The new rows.

        Args:
            old: a row (or a number) for each old entry, [num_old, ...].
            seed: of the entries that are random: from a normal distribution with the old rows' mean and deviation in
                each dimension.

        Returns:
            [num_new, ...].
        """
        values = old.reshape(len(old), -1).astype(np.float64)
        draw = np.random.Generator(np.random.PCG64(seed))
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        rows = np.empty((len(self.parts), values.shape[1]))
        for number, part in enumerate(self.parts):
            if part is None:
                rows[number] = draw.normal(mean, deviation)
            elif len(part.ids) == 1:
                rows[number] = values[part.ids[0]]
            else:
                rows[number] = np.asarray(part.weights) @ values[list(part.ids)]
        return rows.astype(np.float32).reshape(len(self.parts), *old.shape[1:])


def compose(
    old: Vocabulary,
    new: Vocabulary,
    *,
    start: Literal["mean", "random", "similarity"],
    copies_shared: bool = True,
    mixtures: Mapping[int, Part] | None = None,
) -> Composition:
    """Say for each entry of a new vocabulary what its vector starts from.

    BERT's five special tokens keep their own by their role, further ones by their text.

    Args:
        old: the vocabulary that the model has.
        new: the one that it shall have.
        start: of entries that the old one lacks.
        copies_shared: whether entries of both are copied; otherwise they start as those that the old one lacks.
        mixtures: for "similarity", by new id; entries without one are averaged.
    """
    special = _special(old, new)
    shared = shared_entries(old, new)
    means = _means(old, new) if start != "random" else {}
    parts: list[Part | None] = []
    origins: list[Origin] = []
    for number in range(new.size):
        part: Part | None = None
        origin: Origin = "random"
        if number in special:
            part, origin = _alone(special[number]), "special"
        elif copies_shared and number in shared:
            part, origin = _alone(shared[number]), "copied"
        elif mixtures is not None and number in mixtures and start == "similarity":
            part, origin = mixtures[number], "mixed"
        elif number in means:
            part, origin = means[number], "averaged"
        parts.append(part)
        origins.append(origin)
    return Composition(tuple(parts), tuple(origins))


def shared_entries(old: Vocabulary, new: Vocabulary) -> dict[int, int]:
    """Old id by new id of the entries of both: the same text, both beginning a word or both going on with one."""
    by_piece = _ids_by_piece(old)
    special = set(new.special_ids)
    return {
        number: by_piece[piece]
        for number, piece in enumerate(new.pieces)
        if number not in special and piece in by_piece
    }


def _special(old: Vocabulary, new: Vocabulary) -> dict[int, int]:
    """Old id by new id of the special tokens that both have."""
    of_old = {old.pieces[number]: number for number in old.special_ids}
    further = {number: of_old[new.pieces[number]] for number in new.special_ids if new.pieces[number] in of_old}
    return further | {getattr(new, role): getattr(old, role) for role in _ROLES}


def _alone(number: int) -> Part:
    return Part((number,), (1.0,))


def _ids_by_piece(vocabulary: Vocabulary) -> dict[Piece, int]:
    special = set(vocabulary.special_ids)
    return {piece: number for number, piece in enumerate(vocabulary.pieces) if number not in special}


def _means(old: Vocabulary, new: Vocabulary) -> dict[int, Part]:
    """The old sub-tokens that each new entry is cut into; entries with unknown characters or bytes are left out.

    What begins a word is cut as a word. What goes on with one is normalised as the old vocabulary does it, and cut into
    the longest old entries that go on; and what cannot be cut so, into the longest ones of either sort.
    """
    special = set(new.special_ids)
    wanted = [(number, piece) for number, piece in enumerate(new.pieces) if number not in special and piece.text]
    begins = [(number, piece.text) for number, piece in wanted if not piece.goes_on and _BROKEN_BYTE not in piece.text]
    cut = dict(zip([number for number, _ in begins], old.encode_words([text for _, text in begins]), strict=True))
    going_on = {piece.text: number for piece, number in _ids_by_piece(old).items() if piece.goes_on}
    anywhere = {piece.text: number for piece, number in _ids_by_piece(old).items() if not piece.goes_on} | going_on
    longest = max(map(len, anywhere), default=0)
    for number, piece in wanted:
        text = old.normalised(piece.text)
        if piece.goes_on:
            cut[number] = _longest_first(text, going_on, longest)
        if not cut.get(number) or old.unk_id in cut[number]:
            cut[number] = _longest_first(text, anywhere, longest)
    return {
        number: Part(tuple(ids), (1.0 / len(ids),) * len(ids))
        for number, ids in cut.items()
        if ids and old.unk_id not in ids
    }


def _longest_first(text: str, entries: Mapping[str, int], longest: int) -> list[int]:
    """Ids of the longest entries that fit, from the left; none where some character or byte is in no entry."""
    units = _UNIT.findall(text)
    ids: list[int] = []
    start = 0
    while start < len(units):
        ends = range(min(len(units), start + longest), start, -1)
        end = next((end for end in ends if "".join(units[start:end]) in entries), None)
        if end is None:
            return []
        ids.append(entries["".join(units[start:end])])
        start = end
    return ids
