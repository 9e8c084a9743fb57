"""Tokens that were added to a vocabulary after it was learned, as transformers' `add_tokens` adds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from domainlm.errors import VocabularyError
from domainlm.vocab.bert import SPECIAL_TOKENS
from domainlm.vocab.vocabulary import Vocabulary

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def with_added_tokens(vocabulary: Vocabulary, added: Sequence[Mapping[str, Any]], where: str | Path) -> Vocabulary:
    """A vocabulary with further tokens, which are found in a text before it is cut into words, unless they are special.

    See also `with_readable_tokens`.

    Args:
        vocabulary: what they are added to.
        added: the tokens by id, as `added_tokens` of a tokenizer.json has them; those that are entries already are
            declared.
        where: what errors name.

    Raises:
        VocabularyError: their ids do not go on where those of the entries end, or an entry has another id.
    """
    further = [token for token in added if token["content"] not in SPECIAL_TOKENS]
    tokenizer = Tokenizer.from_str(json.dumps(vocabulary.description))
    for token in further:
        add = tokenizer.add_special_tokens if token["special"] else tokenizer.add_tokens
        add([AddedToken(token["content"], **{flag: token[flag] for flag in _FLAGS})])
    for token in added:
        number = tokenizer.token_to_id(token["content"])
        if number != token["id"]:
            raise VocabularyError(
                "the added tokens do not go on where the entries end",
                where=where,
                given=f"{token['content']!r} with id {token['id']:,}",
                allowed=f"id {number:,}, after {vocabulary.size:,} entries and the added tokens before it",
                remedy="give the vocab.txt that the tokens were added to, or save the tokeniser as tokenizer.json",
            )
    return Vocabulary(tokenizer, where=where) if further else vocabulary


def with_readable_tokens(vocabulary: Vocabulary, where: str | Path) -> Vocabulary:
    """A vocabulary whose added tokens are all found in texts, but for BERT's five.

    transformers finds special tokens in texts as well, and models are trained on texts with some that were added for
    that: "<e1>" around an entity. Found here, too, are those; BERT's own never are.
    """
    own = {vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id, vocabulary.sep_id, vocabulary.mask_id}
    description = vocabulary.description
    unread = [token for token in description["added_tokens"] if token["special"] and token["id"] not in own]
    for token in unread:
        token["special"] = False
    return Vocabulary(Tokenizer.from_str(json.dumps(description)), where=where) if unread else vocabulary
