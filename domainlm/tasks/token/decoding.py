"""The likeliest labels of a sentence among those that a labelling scheme allows.

Labels that are chosen one by one may say what no training text does: an entity that goes on without having begun, or
that changes its type within. The likeliest sequence that breaks no rule is found by dynamic programming (Viterbi 1967),
as He et al. (2017) decode labels that a network scores one by one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from domainlm.tasks.batches import Ints

Allowed = npt.NDArray[np.bool_]


def allowed_paths(probabilities: npt.NDArray[np.float32], allowed: Allowed, sentences: Iterable[slice]) -> Ints:
    """The likeliest allowed labels of every word.

    Args:
        probabilities: of each label of each word [num_words, num_labels].
        allowed: whether a label may follow another, and in its last row, whether it may come first
            [num_labels + 1, num_labels]. At least one label must be allowed everywhere, as O is.
        sentences: where the words of each sentence lie, one after the other, none left out.

    Returns:
        Label ids [num_words].
    """
    labels: Ints = probabilities.argmax(axis=1)
    for words in sentences:
        chosen = labels[words]
        if len(chosen) and not _is_allowed(chosen, allowed):  # what breaks no rule is the likeliest already
            labels[words] = _likeliest(probabilities[words], allowed)
    return labels


def _is_allowed(labels: Ints, allowed: Allowed) -> bool:
    return bool(allowed[-1, labels[0]] and allowed[labels[:-1], labels[1:]].all())


def _likeliest(probabilities: npt.NDArray[np.float32], allowed: Allowed) -> Ints:
    """One sentence's labels [num_words]; of equally likely ones those with the lowest ids, from the end."""
    tiny = np.finfo(np.float32).tiny  # what is unlikely stays possible, what is not allowed does not
    scores = np.log(np.maximum(probabilities.astype(np.float64), tiny))
    rules = np.where(allowed, 0.0, -np.inf)
    best = scores[0] + rules[-1]
    previous = np.zeros(probabilities.shape, dtype=np.int64)
    for place in range(1, len(scores)):
        paths = best[:, None] + rules[:-1]
        previous[place] = paths.argmax(axis=0)
        best = paths.max(axis=0) + scores[place]
    labels = np.empty(len(scores), dtype=np.int64)
    labels[-1] = best.argmax()
    for place in range(len(scores) - 1, 0, -1):
        labels[place - 1] = previous[place, labels[place]]
    return labels
