"""PubMedQA, labelled part (Jin et al. 2019): does an abstract answer its title's question with yes, no or maybe?

ori_pqal.json holds all 1,000 questions, by PMID: {"QUESTION", "CONTEXTS", "final_decision", ...}. Its authors' program
divides them into 500 for ten-fold cross-validation and 500 for the test, label by label, with Python's random numbers
of seed 0. `read_split` draws the same: "dev" is their fold 0, "train" the other nine, "test" their test set. A file
that their program wrote (pqal_fold0/train_set.json, test_set.json) is read whole.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from domainlm.api import DataError, ProblemLog, SequenceExample, Split
from domainlm.reading import open_text

DECISIONS = ("yes", "no", "maybe")
_NUM_FOLDS = 10
_WHOLE = "ori_pqal"


def read_pubmedqa(path: Path, problems: ProblemLog) -> Iterator[SequenceExample]:
    """Stream all questions of a file, each with its contexts, one a line, as the second text.

    Args:
        path: the file, plain or `.gz`.
        problems: told of entries that are left out.

    Raises:
        DataError: the file cannot be read, or is none of PubMedQA's.
    """
    yield from _read(path, problems).values()


def read_pubmedqa_split(path: Path, split: Split, problems: ProblemLog) -> Iterator[SequenceExample]:
    """Stream one split of ori_pqal.json; of a file with another name, all questions.

    Raises:
        DataError: the file cannot be read, or is none of PubMedQA's.
    """
    examples = _read(path, problems)
    if not path.name.startswith(_WHOLE):
        yield from examples.values()
        return
    draws = random.Random(0)  # noqa: S311 - the authors' own choice
    training, test = _parts(examples, list(examples), 2, draws)
    if split == "test":
        wanted = set(test)
    else:
        dev = set(_parts(examples, training, _NUM_FOLDS, draws)[0])
        wanted = dev if split == "dev" else set(training) - dev
    yield from (example for pmid, example in examples.items() if pmid in wanted)


def _read(path: Path, problems: ProblemLog) -> dict[str, SequenceExample]:
    try:
        content = json.loads("\n".join(open_text(path)))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError("not JSON", where=path, given=str(error) or "too deeply nested") from None
    examples: dict[str, SequenceExample] = {}
    for pmid, entry in content.items() if isinstance(content, dict) else ():
        example = _example(pmid, entry)
        if example is None:
            problems.add("entry without question, contexts and decision", f"PMID {pmid}, left out", path=path)
        else:
            examples[pmid] = example
    if not examples:
        raise DataError(
            "not PubMedQA's labelled questions",
            where=path,
            given=problems.summary() or None,
            allowed='{"PMID": {"QUESTION": ..., "CONTEXTS": [...], "final_decision": "yes"}}',
        )
    return examples


def _example(pmid: str, entry: object) -> SequenceExample | None:
    if not isinstance(entry, Mapping):
        return None
    question, contexts, decision = (entry.get(key) for key in ("QUESTION", "CONTEXTS", "final_decision"))
    if not isinstance(question, str) or not isinstance(contexts, list) or decision not in DECISIONS:
        return None
    if not question.strip() or not all(isinstance(context, str) for context in contexts):
        return None
    texts = [pmid, question, *contexts]
    if any("\ud800" <= letter <= "\udfff" for text in texts for letter in text):
        return None
    return SequenceExample(pmid, question.strip(), decision, "\n".join(contexts))


def _parts(
    examples: Mapping[str, SequenceExample], pmids: Sequence[str], count: int, draws: random.Random
) -> list[list[str]]:
    """Divide PMIDs into parts with the labels alike in all, drawing as the authors' program does.

    The PMIDs of each label are shuffled and dealt out in runs, the last one shorter; where that leaves the last part
    smaller, every other part gives it one that is drawn.
    """
    parts: list[list[str]] = [[] for _ in range(count)]
    for decision in DECISIONS:
        own = [pmid for pmid in pmids if examples[pmid].label == decision]
        draws.shuffle(own)
        size = math.ceil(len(own) / count)
        for number, part in enumerate(parts):
            part.extend(own[number * size : (number + 1) * size])
    if len(parts[-1]) != len(parts[0]):
        for part in parts[:-1]:
            if part:
                given = draws.choice(part)
                parts[-1].append(given)
                part.remove(given)
    return parts
