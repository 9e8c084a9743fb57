"""A vocabulary of letters and frequent words, in the layout of WordPiece."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from domainlm.api import VocabularySettings

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORD = re.compile(r"\w+|[^\w\s]")


def learn_letters(sentences: Iterator[str], settings: VocabularySettings) -> str:
    """Return a tokenizer.json with every letter, at a word's beginning and inside, and the most frequent words."""
    words: Counter[str] = Counter()
    for sentence in sentences:
        words.update(_WORD.findall(sentence if settings.cased else sentence.lower()))
    letters = sorted({letter for word in words for letter in word})
    entries = [*_SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    by_frequency = sorted(words, key=lambda word: (-words[word], word))
    entries += [word for word in by_frequency if len(word) > 1 and words[word] >= settings.min_frequency]
    return _tokenizer_json(entries[: settings.size], cased=settings.cased)


def _tokenizer_json(entries: list[str], *, cased: bool) -> str:
    added = [
        {
            "id": place,
            "content": entry,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for place, entry in enumerate(_SPECIAL)
    ]
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": not cased,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {entry: place for place, entry in enumerate(entries)},
        },
    }
    return json.dumps(content, ensure_ascii=False, indent=1)
