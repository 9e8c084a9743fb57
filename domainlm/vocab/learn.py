"""Learning a vocabulary: by which algorithm, and WordPiece itself.

The pieces of WordPiece are found by the `tokenizers` library, whose trainer merges the most frequent pair of
neighbouring pieces until the vocabulary is full (Sennrich et al. 2016), not the pair that raises the likelihood most
(Schuster and Nakajima 2012). Left to itself the trainer gives another vocabulary in every process: it numbers the
pieces `##x` in the order of a randomly seeded hash map, and decides between equally frequent pairs by these numbers. So
the words are counted here, in order, and the trainer is given every single-character piece, numbered, as if they were
special tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import WordPieceTrainer

from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.api.failures import blamed, lent, refused
from domainlm.errors import VocabularyError
from domainlm.vocab.background import run_answerably
from domainlm.vocab.bert import MAX_WORD_CHARACTERS, SPECIAL_TOKENS, UNK, serialise
from domainlm.vocab.bpe import learn_bpe
from domainlm.vocab.counts import (
    MAX_CHARACTERS,
    MAX_CHARACTERS_FED,
    count_words,
    frequent_characters,
    repeated,
    within_limit,
)
from domainlm.vocab.sizes import check_alphabet, check_enough, size_to_ask_for
from domainlm.vocab.unigram import learn_unigram
from domainlm.vocab.wordpiece import CONTINUATION_PREFIX, build_tokenizer

Learner = Callable[[Iterator[str], VocabularySettings], str]
"""Takes sentences, read once, and settings; returns the text of a tokenizer.json."""


def learner_of(spec: VocabularySpec) -> Learner:
    """The function that learns a spec's vocabulary.

    Raises:
        VocabularyError: where the spec reads a file.
    """
    if spec.algorithm == "custom" and spec.learn is not None:
        return partial(_learn_by_plugin, spec, spec.learn)
    learners: Mapping[str, Learner] = {"wordpiece": learn_wordpiece, "bpe": learn_bpe, "unigram": learn_unigram}
    learn = learners.get(spec.algorithm)
    if learn is None:
        raise VocabularyError(
            "this vocabulary is read from a file, not learned", where=spec.name, allowed=(*learners, "custom")
        )
    return learn


def _learn_by_plugin(
    spec: VocabularySpec, learn: Learner, sentences: Iterator[str], settings: VocabularySettings
) -> str:
    """Call the spec's own function; raise `PluginError` where it fails, or returns something else than a text."""
    with lent(sentences) as given, blamed(learn, spec.reference, "the vocabulary could not be learned"):
        learned: object = learn(given, settings)
    if not isinstance(learned, str):
        raise refused(
            learn,
            spec.reference,
            "`learn` must return a text",
            given=type(learned).__name__,
            allowed="the text of a tokenizer.json, as Tokenizer.to_str() of the tokenizers library gives it",
        )
    return learned


def learn_wordpiece(sentences: Iterable[str], settings: VocabularySettings) -> str:
    """Learn a vocabulary; the same sentences, in any order, give the same text in every process.

    The entries are, in this order: [PAD] [UNK] [CLS] [SEP] [MASK]; the characters; the characters that occur inside
    words, with `##`; the merged pieces, the most frequent first. Memory grows with the number of different words.

    Args:
        sentences: the text, read once.
        settings: size, casing, and the least number of times that a piece must occur.

    Returns:
        The text of a tokenizer.json.

    Raises:
        VocabularyError: where the text gives fewer entries than asked for, or its characters alone more.
    """
    words = count_words(sentences, cased=settings.cased, max_word_characters=MAX_WORD_CHARACTERS)
    base = [*SPECIAL_TOKENS, *_single_characters(words, settings.min_frequency)]
    check_alphabet(settings, len(base))
    entries = _train(words, base, settings)
    check_enough(settings, len(entries))
    return serialise(build_tokenizer(entries, cased=settings.cased))


def _single_characters(words: dict[str, int], min_frequency: int) -> list[str]:
    """Entries of one character, those that start words first."""
    kept = frequent_characters(words, min_frequency, MAX_CHARACTERS)
    inside = {character for word in words for character in word[1:]}
    return kept + [CONTINUATION_PREFIX + character for character in kept if character in inside]


def _train(words: dict[str, int], base: Sequence[str], settings: VocabularySettings) -> list[str]:
    """All entries in order: `base`, then the merged pieces."""
    kept = {entry for entry in base if len(entry) == 1}
    usable = {word: count for word, count in words.items() if kept.issuperset(word)}
    counts = within_limit(usable, MAX_CHARACTERS_FED)
    tokenizer = Tokenizer(WordPiece(unk_token=UNK))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    trainer = WordPieceTrainer(
        vocab_size=size_to_ask_for(settings, len(base), map(len, usable)),
        min_frequency=min(settings.min_frequency, MAX_CHARACTERS_FED),
        special_tokens=list(base),
        show_progress=False,
        continuing_subword_prefix=CONTINUATION_PREFIX,
    )
    run_answerably(lambda: tokenizer.train_from_iterator(repeated(counts), trainer), "merge characters")
    ids = tokenizer.get_vocab(with_added_tokens=True)
    return sorted(ids, key=lambda entry: ids[entry])
