"""What a Hugging Face folder says of its tokeniser beside the vocabulary itself. Imports no torch.

A vocab.txt is a list of entries and no more; tokenizer_config.json says how text is prepared for it, and that file or
added_tokens.json, which older folders have, names the tokens that were added to the list afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.errors import ModelError
from domainlm.model.huggingface import TOKENIZER_SETTINGS_FILE, read_json_table

_TOKENIZER_FILE = "tokenizer.json"
_ADDED_TOKENS_FILE, _SPECIAL_TOKENS_FILE = "added_tokens.json", "special_tokens_map.json"
_BERT_CLASSES = (None, "BertTokenizer", "BertTokenizerFast")
"""Those that read a list of entries as BERT does; transformers takes the first where no class is named."""
_ANY_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Those that take a tokenizer.json as it stands, whatever is in it."""
_MUST_BE: Mapping[str, tuple[object, ...]] = {
    # of a tokeniser that a vocab.txt describes; the first is the default
    "tokenizer_class": (*_BERT_CLASSES, *_ANY_CLASSES),
    "do_basic_tokenize": (True, None),
    "word_tokenizer_type": ("basic", None),
    "subword_tokenizer_type": ("wordpiece", None),
}
_REMEDY = "save the tokeniser as tokenizer.json beside it"
_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""Special whether a file says so or not."""
_FLAGS = ("single_word", "lstrip", "rstrip", "special")


def tokenizer_case(folder: Path) -> bool | None:
    """Whether a vocab.txt beside a tokenizer_config.json is cased; None where it is not said.

    Raises:
        ModelError: the tokeniser is one that a vocab.txt alone does not describe.
    """
    path = folder / TOKENIZER_SETTINGS_FILE
    settings = _table(path)
    for key, values in _MUST_BE.items():
        if settings.get(key, values[0]) not in values:
            raise ModelError(
                "this tokeniser cuts text otherwise than BERT, which a vocab.txt does not say",
                where=f"{path}: {key}",
                given=settings[key],
                allowed=", ".join(str(value) for value in values if value is not None),
                remedy=_REMEDY,
            )
    lower = settings.get("do_lower_case")
    strips = settings.get("strip_accents")
    if (strips is not None and strips != lower) or settings.get("tokenize_chinese_chars") is False:
        raise ModelError(
            "this tokeniser strips accents or parts ideographs otherwise than BERT, which a vocab.txt does not say",
            where=path,
            remedy=_REMEDY,
        )
    return None if lower is None else not lower


def check_tokenizer_settings(folder: Path) -> None:
    """Refuse a tokenizer.json whose tokenizer_config.json contradicts it: transformers would obey the latter.

    The classes of BERT build the normaliser anew from do_lower_case and strip_accents. Only what both files say is
    compared.

    Raises:
        ModelError: one keeps capitals or accents, and the other does not.
    """
    path = folder / TOKENIZER_SETTINGS_FILE
    settings = _table(path)
    if settings.get("tokenizer_class") not in _BERT_CLASSES:
        return
    steps = list(_normalizers(read_json_table(folder / _TOKENIZER_FILE).get("normalizer")))
    found = {"do_lower_case": any(map(_lowers, steps)), "strip_accents": any(map(_strips, steps))}
    for key, value in found.items():
        said = settings.get(key)
        if said is not None and bool(said) != value:
            raise ModelError(
                f"{TOKENIZER_SETTINGS_FILE} contradicts the normalizer of {_TOKENIZER_FILE}",
                where=f"{path}: {key}",
                given=str(said).lower(),
                allowed=f"{str(value).lower()}, as in {_TOKENIZER_FILE}",
                remedy="find out how the model was trained, and put the file right that says otherwise",
            )


def added_tokens(folder: Path) -> list[dict[str, Any]]:
    """The tokens that a folder adds to its vocab.txt, or declares among its entries, as a tokenizer.json has them.

    Returns:
        By id; each with `id`, `content`, `single_word`, `lstrip`, `rstrip`, `normalized` and `special`.

    Raises:
        ModelError: a file that names them is damaged.
    """
    path = folder / TOKENIZER_SETTINGS_FILE
    settings = _table(path)
    if settings.get("added_tokens_decoder"):  # then the older file is not looked at, as in transformers
        where = f"{path}: added_tokens_decoder"
        found = list(_decoded(settings["added_tokens_decoder"], where))
    else:
        path = folder / _ADDED_TOKENS_FILE
        special = {*_BERT_TOKENS, *_special_names(settings), *_special_names(_table(folder / _SPECIAL_TOKENS_FILE))}
        where = str(path)
        found = [_token(number, name, {"special": name in special}, where) for name, number in _table(path).items()]
    return sorted(found, key=lambda token: int(token["id"]))


def _table(path: Path) -> dict[str, Any]:
    return read_json_table(path) if path.is_file() else {}


def _decoded(content: object, where: str) -> Iterator[dict[str, Any]]:
    if not isinstance(content, dict):
        raise ModelError("not a JSON object", where=where)
    for number, token in content.items():
        if not isinstance(token, dict):
            raise ModelError("not an added token", where=where, given=repr(token), allowed="a JSON object")
        yield _token(int(number) if number.isdecimal() else number, token.get("content"), token, where)


def _token(number: object, content: object, flags: Mapping[str, Any], where: str) -> dict[str, Any]:
    if isinstance(number, bool) or not isinstance(number, int) or not isinstance(content, str) or not content:
        raise ModelError(
            "not an added token", where=where, given=f"{content!r} with id {number!r}", allowed="a text and its id"
        )
    found = {flag: bool(flags.get(flag, False)) for flag in _FLAGS}
    normalized = bool(flags.get("normalized", not found["special"]))
    return {"id": number, "content": content, "normalized": normalized, **found}


def _special_names(settings: Mapping[str, Any]) -> Iterator[str]:
    """The special tokens that a file names: mask_token and the like, and lists of further ones."""
    for key, value in settings.items():
        if key.endswith("_token") or key in ("additional_special_tokens", "extra_special_tokens"):
            for token in value if isinstance(value, list) else [value]:
                name = token.get("content") if isinstance(token, dict) else token
                if isinstance(name, str):
                    yield name


def _normalizers(entry: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(entry, dict):
        if isinstance(entry.get("normalizers"), list):
            for step in entry["normalizers"]:
                yield from _normalizers(step)
        else:
            yield entry


def _lowers(step: Mapping[str, Any]) -> bool:
    return step.get("type") == "Lowercase" or (step.get("type") == "BertNormalizer" and bool(step.get("lowercase")))


def _strips(step: Mapping[str, Any]) -> bool:
    if step.get("type") != "BertNormalizer":
        return step.get("type") == "StripAccents"
    strips = step.get("strip_accents")
    return bool(step.get("lowercase") if strips is None else strips)
