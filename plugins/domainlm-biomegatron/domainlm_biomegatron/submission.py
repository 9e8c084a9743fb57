"""Ranked answers as BioASQ's participants send them in (task B, phase B)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from domainlm.api import DataError
from domainlm.reading import open_text
from domainlm_biomegatron.readers.bioasq import FACTOID
from domainlm_biomegatron.sample.files import write_text

MAX_ANSWERS = 5
"""The official measures read all that is sent in, and the rules allow five."""


def write_submission(path: Path, answers: Mapping[str, Sequence[str]]) -> None:
    """Write a file as the participants' area takes it.

    Args:
        path: the file.
        answers: by the id of each question, its answers, the best first; no more than five are written. Each is a list
            of its own with one text: since BioASQ 5 synonyms are not sent in.
    """
    questions = [
        {"id": name, "type": FACTOID, "exact_answer": [[text] for text in ranked[:MAX_ANSWERS]]}
        for name, ranked in answers.items()
    ]
    write_text(path, json.dumps({"questions": questions}, indent=1, ensure_ascii=False) + "\n")


def read_predictions(paths: Iterable[Path]) -> dict[str, list[str]]:
    """The ranked answers of predictions.test.jsonl files, by the id of their question.

    Raises:
        DataError: a file cannot be read, or is something else.
    """
    answers: dict[str, list[str]] = {}
    for path in paths:
        for number, line in enumerate(open_text(path), start=1):
            try:
                record = json.loads(line)
                answers[record["id"]] = [each["text"] for each in record["predicted"]]
            except (ValueError, KeyError, TypeError, RecursionError):
                raise DataError(
                    "not a line of predictions",
                    where=f"{path}:{number}",
                    allowed='{"id": ..., "predicted": [{"text": ...}]}',
                    remedy="name the predictions.test.jsonl of a fine-tuning on BioASQ",
                ) from None
    return answers
