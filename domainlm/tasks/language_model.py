"""A pretrained language model that fills masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from domainlm.errors import DataError
from domainlm.model.files import load_weights, read_config
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import Device
from domainlm.tasks.batches import pad_rows, row_groups
from domainlm.tasks.models import LoadedModel, Record
from domainlm.tasks.scores import Json
from domainlm.tasks.start import open_start
from domainlm.text.surrogates import without_surrogates

MASK = "[MASK]"
_SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Guess:
    """What may stand at a mask.

    Attributes:
        token: an entry of the vocabulary.
        score: its probability, from 0 to 1.
    """

    token: str
    score: float


@dataclass(frozen=True, slots=True)
class FilledMask:
    """A mask with the likeliest entries for it.

    Attributes:
        start: its first character in the given text.
        end: one after its last character.
        guesses: the best first.
    """

    start: int
    end: int
    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True)
class FilledText:
    """A text with its masks.

    Attributes:
        text: as given.
        masks: in order.
    """

    text: str
    masks: tuple[FilledMask, ...]


class LanguageModel(LoadedModel):
    """Guesses what stands at each "[MASK]" of a text."""

    kind: ClassVar[str] = "pretraining"

    @classmethod
    def load(cls, folder: Path, device: Device) -> LanguageModel:
        """Load a model folder of kind "pretraining".

        Raises:
            ModelError: the folder cannot be read, or its parts do not fit together.
        """
        config = read_config(folder)
        start = open_start(folder, config.model.max_positions)
        model = PretrainingModel(config.model, sentence_order=bool(config.extra.get("sentence_order")))
        load_weights(model, folder)
        return cls(model, start, device, config.model.max_positions)

    def fill_masks(self, texts: Iterable[str], *, num_guesses: int = 5) -> Iterator[FilledText]:
        """Yield each text with its masks, in the order given.

        Args:
            texts: with "[MASK]" where a sub-token is missing; texts without are passed on as they are.
            num_guesses: entries to give for each mask.

        Raises:
            DataError: a text with masks is longer than the model's positions.

        Example:
            import domainlm

            model = domainlm.load("out/models/harbour/language-model")
            for filled in model.fill_masks(["The Vega left [MASK]."], num_guesses=2):
                for mask in filled.masks:
                    print([(guess.token, guess.score) for guess in mask.guesses])
        """
        return self._grouped(texts, lambda group: self._fill(group, num_guesses), len)

    def predict(self, records: Iterable[Record]) -> Iterator[dict[str, Json]]:
        """Fill the masks of each record's "text"."""
        for record, filled in self._beside(records, self._masked_text, self.fill_masks):
            masks: list[Json] = [
                {
                    "start": mask.start,
                    "end": mask.end,
                    "guesses": [{**asdict(each), "score": round(each.score, _SCORE_DIGITS)} for each in mask.guesses],
                }
                for mask in filled.masks
            ]
            yield {"id": record.id, "text": filled.text, "masks": masks}

    @property
    def _too_long(self) -> str:
        return f"a text with masks is longer than the model's {self._max_tokens} positions"

    def _masked_text(self, record: Record) -> str:
        text = record.text()
        if MASK in text and len(self._encode([text])[0]) > self._max_tokens:
            raise record.error(self._too_long)
        return text

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Rows `[CLS] text [SEP]`, the masks in them."""
        parts = [without_surrogates(text).split(MASK) for text in texts]
        encoded = iter(self._vocabulary.encode_batch([part for each in parts for part in each]))
        rows: list[list[int]] = []
        for each in parts:
            row = [self._vocabulary.cls_id]
            for number in range(len(each)):
                row += [self._vocabulary.mask_id] if number else []
                row += next(encoded)
            rows.append([*row, self._vocabulary.sep_id])
        return rows

    @torch.inference_mode()
    def _fill(self, texts: Sequence[str], num_guesses: int) -> Iterator[FilledText]:
        masked = [number for number, text in enumerate(texts) if MASK in text]
        rows = self._encode([texts[number] for number in masked])
        if any(len(row) > self._max_tokens for row in rows):
            raise DataError(self._too_long)
        found = dict(zip(masked, self._guesses(rows, num_guesses), strict=True))
        for number, text in enumerate(texts):
            places = accumulate(map(len, text.split(MASK)[:-1]), lambda start, length: start + len(MASK) + length)
            masks = zip(places, found.get(number, ()), strict=True)
            yield FilledText(text, tuple(FilledMask(start, start + len(MASK), each) for start, each in masks))

    def _guesses(self, rows: Sequence[Sequence[int]], num_guesses: int) -> list[list[tuple[Guess, ...]]]:
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        flat = np.array([token for row in rows for token in row], dtype=np.int32)
        guesses: list[list[tuple[Guess, ...]]] = [[] for _ in rows]
        assert isinstance(self._model, PretrainingModel)
        device = self._device.torch_device
        with self._device.predicting(self._model):
            for group in row_groups(lengths, device):
                tokens, row_lengths = pad_rows(
                    flat, starts, group, max_tokens=self._max_tokens, pad_id=self._vocabulary.pad_id
                )
                places = (tokens == self._vocabulary.mask_id).flatten().nonzero().flatten()
                logits, _ = self._model(
                    tokens.to(device), torch.zeros_like(tokens).to(device), row_lengths.to(device), places.to(device)
                )
                best = logits.float().softmax(dim=-1).topk(min(num_guesses, logits.shape[-1]), dim=-1)
                owners = (places // tokens.shape[1]).tolist()
                for owner, ids, scores in zip(owners, best.indices.tolist(), best.values.tolist(), strict=True):
                    entries = zip(self._vocabulary.tokens(ids), scores, strict=True)
                    guesses[int(group[owner])].append(tuple(Guess(token, score) for token, score in entries))
        return guesses
