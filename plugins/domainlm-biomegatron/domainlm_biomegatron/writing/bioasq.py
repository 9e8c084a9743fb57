"""Ranked answers as BioASQ's participants send them in (task B, phase B)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from domainlm.api import DataError, Prediction
from domainlm.reading import open_text

_MAX_ANSWERS = 5
"""The official measures read all that is sent in, and the rules allow five."""


def write_bioasq(predictions: Iterable[Prediction]) -> Iterator[str]:
    """Stream one JSON object: {"questions": [{"id", "type": "factoid", "exact_answer": [["first"], ["second"]]}]}.

    Each answer is a list of its own with one text: since BioASQ 5 synonyms are not sent in. No more than five are
    written, the best first.
    """
    before = '{"questions": ['
    for prediction in predictions:
        answers = [[each["text"]] for each in prediction["answers"][:_MAX_ANSWERS]]
        entry = {"id": str(prediction["id"]), "type": "factoid", "exact_answer": answers}
        yield f"{before}\n{json.dumps(entry)}"
        before = ","
    yield '{"questions": []}\n' if before != "," else "\n]}\n"


def read_predictions(paths: Iterable[Path]) -> Iterator[Prediction]:
    """Stream the questions of predictions.test.jsonl files with their ranked answers.

    Raises:
        DataError: a file cannot be read, or is something else.
    """
    for path in paths:
        for number, line in enumerate(open_text(path), start=1):
            try:
                record = json.loads(line)
                answers = [{"text": str(each["text"])} for each in record["predicted"]]
                yield {"id": str(record["id"]), "answers": answers}
            except (ValueError, KeyError, TypeError, RecursionError):
                raise DataError(
                    "not a line of predictions",
                    where=f"{path}:{number}",
                    allowed='{"id": ..., "predicted": [{"text": ...}]}',
                    remedy="name the predictions.test.jsonl of a fine-tuning on BioASQ",
                ) from None
