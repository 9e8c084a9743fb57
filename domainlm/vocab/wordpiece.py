"""WordPiece tokenisers as BERT has them (Devlin et al. 2019): the longest entry that fits is taken first."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer

from domainlm.vocab.bert import MAX_WORD_CHARACTERS, UNK, add_special_tokens, bert_normalizer

CONTINUATION_PREFIX = "##"


def build_tokenizer(entries: Sequence[str], *, cased: bool) -> Tokenizer:
    """A BERT tokeniser with these entries, in this order; the special tokens must be among them."""
    model = WordPiece(
        {entry: number for number, entry in enumerate(entries)},
        unk_token=UNK,
        max_input_chars_per_word=MAX_WORD_CHARACTERS,
        continuing_subword_prefix=CONTINUATION_PREFIX,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = bert_normalizer(cased=cased)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder(prefix=CONTINUATION_PREFIX)
    add_special_tokens(tokenizer)
    return tokenizer
