"""What all vocabularies share with BERT (Devlin et al. 2019): special tokens, and what a word is.

Text is normalised and cut into words as BERT does it, whatever then cuts the words into sub-tokens. So the words of
WordPiece, BPE and Unigram vocabularies are the same, and each sub-token tells whether it begins one.
"""

from __future__ import annotations

from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer
from tokenizers.processors import TemplateProcessing

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)

MAX_WORD_CHARACTERS = 100
"""No vocabulary is learned from a longer word, and WordPiece reads one as [UNK], as in the `tokenizers` library (BERT's
reference code has 200)."""


def bert_normalizer(*, cased: bool) -> BertNormalizer:
    """Drop control characters, make white space blanks, part CJK ideographs; uncased: lower-case and strip accents."""
    return BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=not cased, lowercase=not cased)


def add_special_tokens(tokenizer: Tokenizer) -> None:
    """Declare BERT's special tokens, which must be entries, and lay texts out as `[CLS] A [SEP] B [SEP]`."""
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (CLS, SEP)],
    )


def serialise(tokenizer: Tokenizer) -> str:
    """The text of tokenizer.json: the same for the same tokeniser."""
    return str(tokenizer.to_str(pretty=True)) + "\n"
