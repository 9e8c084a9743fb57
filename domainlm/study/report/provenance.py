"""What was run: the models and the lock record as tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from domainlm.study.report.arms import Arms
from domainlm.study.report.content import NOTHING, Cell, Table
from domainlm.study.report.labels import clean
from domainlm.study.report.records import Row

_FACTS = ("size", "parameters", "architecture", "vocabulary", "vocabulary_size", "corpus", "start", "steps", "epochs")
_HEX_SHOWN = 12
_LONG_HEX = re.compile(r"\b[0-9a-f]{32,}\b")
_MAX_ROWS = 60


def model_facts(rows: Sequence[Row], arms: Arms) -> tuple[str, Table | None]:
    """Return what the rows say alike about all models, as a sentence, and in what they differ, as a table.

    The sentence is empty where there is nothing to say; the table is None where the models do not differ.
    """
    facts = {arm: _facts(row for row in rows if arms.of(row) == arm) for arm in arms}
    there = {arm: values for arm, values in facts.items() if any(values)}
    known = {place: {values[place] for values in there.values()} for place in range(len(_FACTS))}
    names = [name.replace("_", " ") for name in _FACTS]
    alike = [f"{names[place]} {min(values)}" for place, values in known.items() if len(values) == 1 and any(values)]
    varied = [place for place, values in known.items() if len(values) > 1]
    sentence = f"All models: {', '.join(alike)}." if alike else ""
    if not varied:
        return sentence, None
    table = Table(
        caption="In what the models differ. Parameters: of the encoder. Steps: of pretraining, and epochs by corpus.",
        head=("model", *(names[place] for place in varied)),
        rows=tuple(
            (Cell(arm.label), *(Cell(values[place] or NOTHING) for place in varied)) for arm, values in there.items()
        ),
        is_numeric=False,
    )
    return sentence, table


def lock_tables(lock: Mapping[str, object]) -> tuple[Table, ...]:
    """Return the lock record: one table of single values, and one for each part that is a list of records."""
    records = {key: found for key, value in lock.items() if (found := _records(value))}
    single = {key: value for key, value in lock.items() if key not in records}
    first = [_pairs_table("Lock record: versions and hardware", single)] if single else []
    titles = {key: f"Lock record: {clean(key).replace('_', ' ')}" for key in records}
    return (*first, *(_records_table(titles[key], found) for key, found in records.items()))


def _records(part: object) -> list[Mapping[str, object]]:
    """Return a list or a table of tables as records, each with its name; nothing for any other value."""
    if isinstance(part, Mapping) and all(isinstance(entry, Mapping) for entry in part.values()):
        return [{"name": name, **record} for name, record in part.items()]
    if isinstance(part, list) and all(isinstance(entry, Mapping) for entry in part):
        return part
    return []


def _facts(rows: Iterable[Row]) -> list[str]:
    """Return each fact as text; where the rows of a model differ, all that they say."""
    known: list[dict[str, None]] = [{} for _ in _FACTS]
    for row in rows:
        for place, name in enumerate(_FACTS):
            value = getattr(row, name)
            if value is not None and value not in ("", {}):
                known[place][_shown(value)] = None
    return [", ".join(values) for values in known]


def _pairs_table(title: str, entries: Mapping[str, object]) -> Table:
    rows = [(Cell(clean(key)), Cell(_shown(value))) for key, value in _flattened(entries)]
    return Table(_with_rest(title, len(rows)), ("name", "value"), tuple(rows[:_MAX_ROWS]), is_numeric=False)


def _records_table(title: str, records: Sequence[Mapping[str, object]]) -> Table:
    columns = tuple(dict.fromkeys(key for record in records for key in record))
    rows = tuple(tuple(Cell(_shown(record.get(key))) for key in columns) for record in records[:_MAX_ROWS])
    return Table(_with_rest(title, len(records)), tuple(map(clean, columns)), rows, is_numeric=False)


def _with_rest(title: str, num_rows: int) -> str:
    rest = num_rows - _MAX_ROWS
    return f"{title}; {rest} more entries are in results.json." if rest > 0 else f"{title}."


def _flattened(entries: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return _LONG_HEX.sub(lambda found: f"{found.group()[:_HEX_SHOWN]}…", clean(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Mapping) and all(isinstance(entry, float) for entry in value.values()):
        return ", ".join(f"{clean(key)} {entry:.2f}" for key, entry in value.items()) or NOTHING
    if isinstance(value, list) and not any(isinstance(entry, Mapping | list) for entry in value):
        return ", ".join(map(_shown, value)) or NOTHING
    return _LONG_HEX.sub(lambda found: f"{found.group()[:_HEX_SHOWN]}…", clean(json.dumps(value, ensure_ascii=False)))
