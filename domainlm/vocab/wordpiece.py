"""WordPiece tokenisers as BERT has them (Devlin et al. 2019): how text is normalised and cut before the look-up."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
CONTINUATION_PREFIX = "##"
MAX_WORD_CHARACTERS = 100
"""A longer word becomes [UNK], as in the `tokenizers` library (BERT's reference code has 200)."""


def bert_normalizer(*, cased: bool) -> BertNormalizer:
    """Drop control characters, make white space blanks, part CJK ideographs; uncased: lower-case and strip accents."""
    return BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=not cased, lowercase=not cased)


def build_tokenizer(entries: Sequence[str], *, cased: bool) -> Tokenizer:
    """A BERT tokeniser with these entries, in this order; the special tokens must be among them."""
    ids = {entry: number for number, entry in enumerate(entries)}
    model = WordPiece(
        ids,
        unk_token=UNK,
        max_input_chars_per_word=MAX_WORD_CHARACTERS,
        continuing_subword_prefix=CONTINUATION_PREFIX,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = bert_normalizer(cased=cased)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder(prefix=CONTINUATION_PREFIX)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(CLS, ids[CLS]), (SEP, ids[SEP])],
    )
    return tokenizer


def serialise(tokenizer: Tokenizer) -> str:
    """The text of tokenizer.json: the same for the same tokeniser."""
    return str(tokenizer.to_str(pretty=True)) + "\n"
