"""Growing a vocabulary by the words that shorten a text most."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import Tokenizer

from domainlm.errors import VocabularyError
from domainlm.vocab.bert import MAX_WORD_CHARACTERS
from domainlm.vocab.counts import count_words
from domainlm.vocab.vocabulary import Vocabulary


def best_words(vocabulary: Vocabulary, sentences: Iterable[str], num_words: int, min_frequency: int) -> list[str]:
    """The words that, each read as one sub-token, save most sub-tokens in a text; the best first.

    What a word saves is what its sub-tokens are more than one, as often as it occurs.

    Args:
        vocabulary: what cuts the text.
        sentences: the text, read once.
        num_words: how many.
        min_frequency: leave out words that occur less often.

    Raises:
        VocabularyError: fewer words than asked for would shorten the text.
    """
    counts = count_words(sentences, cased=vocabulary.cased, max_word_characters=MAX_WORD_CHARACTERS)
    frequent = [word for word, count in counts.items() if count >= min_frequency]
    saved = {
        word: (len(ids) - 1) * counts[word]
        for word, ids in zip(frequent, vocabulary.encode_words(frequent), strict=True)
        if len(ids) > 1
    }
    if len(saved) < num_words:
        raise VocabularyError(
            "the corpus has fewer words that would shorten it",
            where="vocabulary.num_added_words",
            given=num_words,
            allowed=f"at most {len(saved):,}",
            remedy="ask for fewer, lower vocabulary.min_frequency, or take more text",
        )
    return sorted(saved, key=lambda word: (-saved[word], word))[:num_words]


def grow(vocabulary: Vocabulary, words: Iterable[str]) -> Vocabulary:
    """A WordPiece vocabulary with further entries at its end; those it has keep their ids.

    Raises:
        VocabularyError: it is no WordPiece vocabulary with BERT's marks.
    """
    description = vocabulary.description
    if vocabulary.kind != "wordpiece":
        raise VocabularyError(
            "only a WordPiece vocabulary can grow by words",
            where="vocabulary.num_added_words",
            given=vocabulary.kind,
            remedy="learn another vocabulary instead: spec = ... in [vocabulary]",
        )
    entries = description["model"]["vocab"]
    new = [word for word in dict.fromkeys(words) if word not in entries]
    entries.update({word: vocabulary.size + place for place, word in enumerate(new)})
    return Vocabulary(Tokenizer.from_str(json.dumps(description)), where="vocabulary grown by words")
