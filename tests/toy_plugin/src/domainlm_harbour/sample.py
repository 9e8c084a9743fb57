"""A grammar of a harbour's day, for samples in the formats of this plugin."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path

_SHIPS = ("Vega", "Aurora", "North Star", "Skua", "Halcyon", "Marten", "Grey Goose", "Tern")
_PORTS = ("Oslo", "Leith", "Cork", "Bergen", "Vigo", "Port Ellen", "Riga", "Gdansk")
_CARGOES = ("timber", "salted herring", "coal", "copper ore", "wool", "tar", "rye", "roof slates")
_ARRIVALS = (
    "The [ship {ship}] arrived from [port {port}] with [cargo {cargo}].",
    "[ship {ship}] of [port {port}] came in at dusk and unloaded [cargo {cargo}].",
    "We saw the [ship {ship}] leave for [port {port}].",
    "A load of [cargo {cargo}] was sold at [port {port}].",
)
_WEATHER = ("Wind from the north, light.", "Fog until noon.", "Clear, with a swell from the west.", "Rain all day.")
_MARK = re.compile(r"\[\w+ ([^\]]+)\]")


def write_logbooks(folder: Path, seed: int, num_documents: int) -> Mapping[str, tuple[Path, ...]]:
    """Write one log book of so many days."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    lines: list[str] = []
    for day in range(num_documents):
        lines.append(f"== {1870 + day // 336}-{1 + day // 28 % 12:02}-{1 + day % 28:02} {draw.choice(_SHIPS)} ==")
        lines.append(draw.choice(_WEATHER))
        lines += [" ".join(_MARK.sub(r"\1", _arrival(draw)) for _ in range(3)) for _ in range(draw.randint(2, 4))]
        lines.append("")
    path = folder / "harbour.log"
    path.write_text("\n".join(lines), encoding="utf-8")
    return {"text": (path,)}


def write_arrivals(folder: Path, seed: int, num_documents: int) -> Mapping[str, tuple[Path, ...]]:
    """Write so many notices for training, and half as many each for dev and test."""
    files: dict[str, tuple[Path, ...]] = {}
    for place, (split, share) in enumerate((("train", 2), ("dev", 1), ("test", 1))):
        draw = random.Random(3 * seed + place)  # noqa: S311 - nothing secret
        notices = [_arrival(draw) for _ in range(max(1, num_documents * share // 2))]
        path = folder / f"{split}.notices"
        path.write_text("\n".join(notices) + "\n", encoding="utf-8")
        files[split] = (path,)
    return files


def _arrival(draw: random.Random) -> str:
    return draw.choice(_ARRIVALS).format(
        ship=draw.choice(_SHIPS), port=draw.choice(_PORTS), cargo=draw.choice(_CARGOES)
    )
