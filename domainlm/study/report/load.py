"""Reads what reports are made from into records.

That is results.json, the files in logs/ that it names (the losses of each training phase, the units that scores were
counted from), and cost.json. Nothing else of the run is looked at, and nothing once they are read.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from domainlm.errors import DataError
from domainlm.study.report.cost_file import read_cost
from domainlm.study.report.logs import read_log
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.records import RESULTS_NAME, Curve, Results, ResultsFile, Row
from domainlm.study.report.units import Units, read_units

LOGS_NAME = "logs"
_REMEDY = "give the output folder of a run; running its recipe again writes the file anew"


def load_results(out: Path) -> Results:
    """Read `out`/results.json, the losses and units in `out`/logs/ that it names, and `out`/cost.json.

    A log, a file of units or a cost.json that is missing or damaged is left out.

    Raises:
        DataError: results.json is missing, is not JSON, or holds something else than results.
    """
    path = out / RESULTS_NAME
    parsed = _parse(path)
    _check_rows(parsed.rows, path)
    curves: list[Curve] = []
    notes: list[str] = []
    for index, record in enumerate(parsed.curves):
        log = read_log(_log_path(out, record.file, f"{path}: curves[{index}].file"), record.file)
        notes.extend([log.note] if log.note else [])
        curves.extend([Curve(record, log.points, log)] if log.points else [])
    return Results(
        recipe=parsed.recipe,
        lock=parsed.lock,
        rows=parsed.rows,
        curves=tuple(curves),
        problems=parsed.problems,
        failures=parsed.failures,
        notes=tuple(dict.fromkeys(notes)),
        candidates=parsed.candidates,
        early_stops=parsed.early_stops,
        reference=parsed.reference,
        cost=read_cost(out),
        unscored=parsed.unscored,
        units=_read_all_units(parsed.rows, out, path),
    )


def _read_all_units(rows: tuple[Row, ...], out: Path, path: Path) -> dict[str, Units]:
    places = {row.units: index for index, row in reversed(list(enumerate(rows))) if row.units}
    found = {
        name: read_units(_log_path(out, name, f"{path}: rows[{index}].units")) for name, index in sorted(places.items())
    }
    return {name: units for name, units in found.items() if units is not None}


def _parse(path: Path) -> ResultsFile:
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DataError("no results to report on", where=path, remedy=_REMEDY) from error
    try:
        return ResultsFile.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise DataError("damaged: not JSON", where=path, given=first["msg"], remedy=_REMEDY) from error
        place = _dotted(first["loc"])
        given = None if first["type"] == "missing" else repr(first["input"])[:200]
        where = f"{path}: {place}" if place else str(path)
        raise DataError(first["msg"], where=where, given=given, remedy=_REMEDY) from error


def _dotted(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def _check_rows(rows: tuple[Row, ...], path: Path) -> None:
    for index, row in enumerate(rows):
        if metric_facts(row.metric).unit == "percent" and not 0.0 <= row.value <= 1.0:
            raise DataError(
                f"wrong {row.metric}",
                where=f"{path}: rows[{index}].value",
                given=row.value,
                allowed="a fraction from 0 to 1",
                remedy=_REMEDY,
            )


def _log_path(out: Path, file: str, where: str) -> Path:
    parts = Path(file).parts
    if len(parts) < 2 or parts[0] != LOGS_NAME or ".." in parts:
        raise DataError("not a log of this run", where=where, given=file, allowed=f"a file below {LOGS_NAME}/")
    return out / file
