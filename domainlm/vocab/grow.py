"""Growing a vocabulary by the words that shorten a text most."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import Tokenizer

from domainlm.errors import VocabularyError
from domainlm.vocab.bert import MAX_WORD_CHARACTERS
from domainlm.vocab.counts import WordCutter, count_cut_words
from domainlm.vocab.vocabulary import Vocabulary


def best_words(vocabulary: Vocabulary, sentences: Iterable[str], num_words: int, min_frequency: int) -> list[str]:
    """The words that, each read as one sub-token, save most sub-tokens in a text; the best first.

    Words are what the vocabulary itself makes of the text: it is looked up what its normaliser and pre-tokeniser leave.
    What a word saves is what its sub-tokens are more than one, as often as it occurs.

    Args:
        vocabulary: what cuts the text.
        sentences: the text, read once.
        num_words: how many.
        min_frequency: leave out words that occur less often.

    Raises:
        VocabularyError: fewer words than asked for would shorten the text, or the vocabulary cannot grow.
    """
    _check_can_grow(vocabulary)
    tokenizer = Tokenizer.from_str(json.dumps(vocabulary.description))
    counts = count_cut_words(sentences, WordCutter(tokenizer.normalizer, tokenizer.pre_tokenizer))
    cut_out = _found_within_words(vocabulary, tokenizer)
    frequent = [
        word
        for word, count in counts.items()
        if count >= min_frequency and len(word) <= MAX_WORD_CHARACTERS and not any(part in word for part in cut_out)
    ]
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
        VocabularyError: it is no WordPiece vocabulary.
    """
    _check_can_grow(vocabulary)
    description = vocabulary.description
    entries = description["model"]["vocab"]
    # The library numbers added tokens after the model's entries, whatever their ids, unless they are among these.
    entries.update({token["content"]: token["id"] for token in description["added_tokens"]})
    new = [word for word in dict.fromkeys(words) if word not in entries]
    entries.update({word: vocabulary.size + place for place, word in enumerate(new)})
    return Vocabulary(Tokenizer.from_str(json.dumps(description)), where="vocabulary grown by words")


def _check_can_grow(vocabulary: Vocabulary) -> None:
    if vocabulary.kind != "wordpiece":
        raise VocabularyError(
            "only a WordPiece vocabulary can grow by words",
            where="vocabulary.num_added_words",
            given=vocabulary.kind,
            remedy="learn another vocabulary instead: spec = ... in [vocabulary]",
        )


def _found_within_words(vocabulary: Vocabulary, tokenizer: Tokenizer) -> list[str]:
    """Added tokens that are cut out of words which hold them, so that no entry with more of the word is ever met."""
    normalizer = tokenizer.normalizer
    found = []
    for token in vocabulary.description["added_tokens"]:
        if not token["special"] and not token["single_word"]:
            content = token["content"]
            if token["normalized"] and normalizer is not None:
                content = normalizer.normalize_str(content).strip()
            found.append(content)
    return [content for content in found if content]
