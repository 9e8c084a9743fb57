"""Predictions as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from domainlm.api import Prediction
from domainlm.builtin.formats.records import is_encodable


def write_jsonl(predictions: Iterable[Prediction]) -> Iterator[str]:
    """Stream a line for each prediction; one with half of a surrogate pair is written in ASCII alone."""
    for prediction in predictions:
        line = json.dumps(prediction, ensure_ascii=False)
        yield f"{line if is_encodable(line) else json.dumps(prediction)}\n"
