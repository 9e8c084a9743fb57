"""Ways in which files come to be damaged: bytes, lines, fields and JSON values that are lost, moved or replaced.

Every way is a function of a random generator and the content of a file. Of a generator of one seed, the damage is one.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Damage = Callable[[random.Random, bytes], bytes]

_HUGE_LINE_BYTES = 40_000
_NUMBER = re.compile(rb"-?\d+")
_FIELD = re.compile(rb"[^\t|\n]+")
_PIECES = (
    b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85", b"\xc2\xa0", b"\x0b",
    b"\xf0\x9f\x9a\xa2", b"e\xcc\x81", b"\t", b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"|", b";", b"-1", b"9" * 30,
    b"1e9", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\ud800", b"null", b"<", b"&", b"<!--", b"</", b"[" * 3000,
)  # fmt: skip
_NUMBERS = (b"", b"-1", b"0", b"1", b"1.5", b"x", b"9" * 30, b"1_0", "\u0663".encode(), "\u00b2".encode(), b"+3", b" 4")
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 10**30, 1.5, float("inf"), "", " ", "x", "\x00", "\ud800", "3", [], {}, [None], [[]],
    {"text": "x"}, ["x", 1],
)  # fmt: skip


def cut_short(draw: random.Random, content: bytes) -> bytes:
    """The rest is missing from some byte on."""
    return content[: draw.randint(0, len(content))]


def cut_out(draw: random.Random, content: bytes) -> bytes:
    """Some bytes are missing."""
    place = draw.randint(0, len(content))
    return content[:place] + content[place + draw.choice((1, 2, 5, 20, 100)) :]


def overwrite(draw: random.Random, content: bytes) -> bytes:
    """Some bytes are others."""
    place = draw.randint(0, len(content))
    piece = draw.choice((draw.choice(_PIECES), draw.randbytes(draw.randint(1, 8))))
    return content[:place] + piece + content[place + len(piece) :]


def insert(draw: random.Random, content: bytes) -> bytes:
    """There is something that does not belong there: NUL, half a character, a line break, a brace."""
    place = draw.randint(0, len(content))
    return content[:place] + draw.choice(_PIECES) + content[place:]


def flip_bit(draw: random.Random, content: bytes) -> bytes:
    """One bit is the other one."""
    changed = bytearray(content)
    if changed:
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def shift_text(draw: random.Random, content: bytes) -> bytes:
    """A letter more or less in the midst, so that all offsets behind it are wrong."""
    places = [match.start() for match in re.finditer(rb"[a-z]", content)]
    if not places:
        return content
    place = draw.choice(places)
    return content[:place] + (b"" if draw.random() < 0.5 else b"qq") + content[place + 1 :]


def swap_lines(draw: random.Random, content: bytes) -> bytes:
    """Two lines stand in each other's place."""
    lines = content.splitlines(keepends=True)
    if len(lines) > 1:
        one, other = draw.sample(range(len(lines)), 2)
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def lose_line(draw: random.Random, content: bytes) -> bytes:
    """A line is missing."""
    lines = content.splitlines(keepends=True)
    if lines:
        del lines[draw.randrange(len(lines))]
    return b"".join(lines)


def repeat_line(draw: random.Random, content: bytes) -> bytes:
    """A line is there twice, the second time anywhere: ids come again."""
    lines = content.splitlines(keepends=True)
    if lines:
        lines.insert(draw.randint(0, len(lines)), draw.choice(lines))
    return b"".join(lines)


def repeat_all(draw: random.Random, content: bytes) -> bytes:
    """The file is there twice: every id comes again."""
    return content + (b"" if draw.random() < 0.5 else b"\n") + content


def join_lines(draw: random.Random, content: bytes) -> bytes:
    """A line break is missing, or is a blank."""
    places = [match.start() for match in re.finditer(rb"\n", content)]
    if not places:
        return content
    place = draw.choice(places)
    return content[:place] + draw.choice((b"", b" ", b"\t")) + content[place + 1 :]


def huge_line(draw: random.Random, content: bytes) -> bytes:
    """A line is very long."""
    lines = content.splitlines(keepends=True) or [b""]
    place = draw.randrange(len(lines))
    lines[place] = draw.choice((b"a", b"a ", b"\t", b"9")) * (_HUGE_LINE_BYTES // 2) + lines[place]
    return b"".join(lines)


def lose_field(draw: random.Random, content: bytes) -> bytes:
    """A column is missing, with its separator or without it."""
    fields = list(_FIELD.finditer(content))
    if not fields:
        return content
    field = draw.choice(fields)
    return content[: field.start()] + content[field.end() + draw.randint(0, 1) :]


def swap_fields(draw: random.Random, content: bytes) -> bytes:
    """Two columns stand in each other's place."""
    fields = list(_FIELD.finditer(content))
    if len(fields) < 2:
        return content
    one, other = sorted(draw.sample(fields, 2), key=lambda field: field.start())
    between = content[one.end() : other.start()]
    return content[: one.start()] + other[0] + between + one[0] + content[other.end() :]


def change_number(draw: random.Random, content: bytes) -> bytes:
    """A number, an offset perhaps, is another one, or none."""
    numbers = list(_NUMBER.finditer(content))
    if not numbers:
        return content
    number = draw.choice(numbers)
    near = b"%d" % (int(number[0][:15]) + draw.choice((-2, -1, 1, 2, 7)))
    new = near if draw.random() < 0.6 else draw.choice(_NUMBERS)
    return content[: number.start()] + new + content[number.end() :]


def change_json(draw: random.Random, content: bytes) -> bytes:
    """A value of the JSON, the file's or a line's, is of another type, another one, missing or double."""
    whole = _load(content)
    if whole is not None:
        return _dump(damage_json(draw, whole))
    lines = content.splitlines(keepends=True)
    parsed = [place for place, line in enumerate(lines) if _load(line) is not None]
    if not parsed:
        return content
    place = draw.choice(parsed)
    lines[place] = _dump(damage_json(draw, _load(lines[place]))) + b"\n"
    return b"".join(lines)


def damage_json(draw: random.Random, value: Any) -> Any:  # noqa: ANN401 - whatever it is
    """A JSON value with one change somewhere in it: another type or number, or something missing, renamed or double."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        if draw.random() < 0.75:
            return {**value, key: damage_json(draw, value[key])}
        rest = {name: each for name, each in value.items() if name != key}
        return draw.choice((rest, {**rest, f"{key}x": value[key]}, {**rest, draw.choice(list(value)): value[key]}))
    if isinstance(value, list) and value and draw.random() < 0.9:
        place = draw.randrange(len(value))
        if draw.random() < 0.75:
            return [*value[:place], damage_json(draw, value[place]), *value[place + 1 :]]
        return draw.choice((value[:place] + value[place + 1 :], [*value, value[place]], value[::-1]))
    if isinstance(value, int) and not isinstance(value, bool) and draw.random() < 0.5:
        return value + draw.choice((-2, -1, 1, 2, 7))
    return draw.choice(_VALUES)


def other_encoding(draw: random.Random, content: bytes) -> bytes:
    """The file is in another encoding, or has other line ends, or a byte-order mark."""
    text = content.decode("utf-8", "replace")
    return draw.choice(
        (
            content.replace(b"\n", b"\r\n"),
            content.replace(b"\n", b"\r"),
            b"\xef\xbb\xbf" + content,
            text.encode("utf-16"),
            text.encode("latin-1", "replace") + b"\xe9",
        )
    )


def lose_all(draw: random.Random, content: bytes) -> bytes:
    """Nothing is left, or white space."""
    return draw.choice((b"", b"\n", b" \n\t\n", content[:1], b"\x00" * len(content)))


DAMAGES: Mapping[str, Damage] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            cut_short, cut_out, overwrite, insert, flip_bit, shift_text, swap_lines, lose_line, repeat_line, repeat_all,
            join_lines, huge_line, lose_field, swap_fields, change_number, change_json, other_encoding, lose_all,
        )
    }
)  # fmt: skip
"""All ways, by name."""

WITHIN = ("cut_out", "overwrite", "insert", "flip_bit", "shift_text", "lose_field", "swap_fields", "change_number")
"""Ways that leave a part of a file a part of it, where it is damaged by itself."""


def _load(content: bytes) -> Any:  # noqa: ANN401 - whatever it is
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()
