"""Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) of BERT's words.

A word is written as its UTF-8 bytes behind a blank, and the pairs of neighbouring pieces are merged in the order in
which they were learned. Every text can be written, so no word is [UNK]. The words are BERT's and not GPT-2's, so that
whole words are the same as in the other vocabularies: a sub-token begins a word where it begins with the blank.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as PreTokenizers
from tokenizers.trainers import BpeTrainer

from domainlm.api import VocabularySettings
from domainlm.vocab.background import run_answerably
from domainlm.vocab.bert import MAX_WORD_CHARACTERS, SPECIAL_TOKENS, add_special_tokens, bert_normalizer, serialise
from domainlm.vocab.counts import MAX_CHARACTERS_FED, count_words, repeated, within_limit
from domainlm.vocab.sizes import check_alphabet, check_enough, size_to_ask_for


def learn_bpe(sentences: Iterable[str], settings: VocabularySettings) -> str:
    """Learn a vocabulary; the same sentences, in any order, give the same text in every process.

    The entries are [PAD] [UNK] [CLS] [SEP] [MASK], the 256 bytes, and the merged pieces, the most frequent first. The
    `tokenizers` library merges; it numbers the bytes by their characters, and of equally frequent pairs takes the one
    with the lower numbers, so nothing is left to chance.

    Args:
        sentences: the text, read once.
        settings: size, casing, and the least number of times that a piece must occur.

    Returns:
        The text of a tokenizer.json.

    Raises:
        VocabularyError: where the text gives fewer entries than asked for, or the size does not even hold the bytes.
    """
    alphabet = sorted(ByteLevel.alphabet())
    check_alphabet(settings, len(SPECIAL_TOKENS) + len(alphabet))
    words = count_words(sentences, cased=settings.cased, max_word_characters=MAX_WORD_CHARACTERS)
    counts = within_limit(words, MAX_CHARACTERS_FED, size=_num_bytes)
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = PreTokenizers([WhitespaceSplit(), _bytes_behind_blanks()])
    trainer = BpeTrainer(
        vocab_size=size_to_ask_for(settings, len(SPECIAL_TOKENS) + len(alphabet), map(_num_bytes, words)),
        min_frequency=min(settings.min_frequency, MAX_CHARACTERS_FED),
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    run_answerably(lambda: tokenizer.train_from_iterator(repeated(counts), trainer), "merge bytes")
    check_enough(settings, tokenizer.get_vocab_size())
    return serialise(_as_read(tokenizer, cased=settings.cased))


def _num_bytes(word: str) -> int:
    """Of a word behind its blank."""
    return len(word.encode()) + 1


def _bytes_behind_blanks() -> ByteLevel:
    return ByteLevel(add_prefix_space=True, use_regex=False)


def _as_read(tokenizer: Tokenizer, *, cased: bool) -> Tokenizer:
    """The tokeniser for running text, where training saw words."""
    tokenizer.normalizer = bert_normalizer(cased=cased)
    tokenizer.pre_tokenizer = PreTokenizers([BertPreTokenizer(), _bytes_behind_blanks()])
    tokenizer.decoder = ByteLevelDecoder()
    add_special_tokens(tokenizer)
    return tokenizer
