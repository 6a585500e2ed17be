"""Where Optuna keeps studies: the tables of a database, or a journal."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from pegbox.sources import tables
from pegbox.sources.base import SourceError
from pegbox.sources.optuna import Kept, Trial, number_of
from pegbox.sources.optuna_journal import replayed

SCHEMA = 12  #: of Optuna's tables
_NAMES = "study:metric_names"
_SQLITE = b"SQLite format 3\0"

Wanted = Callable[[str], bool]


def address(storage: str) -> str:
    """A storage for people, and for tags."""
    return tables.shown(storage) if "://" in storage else str(Path(storage).absolute())


def studies(storage: str, wanted: Wanted) -> list[Kept]:
    """The studies whose names are wanted.  `storage`: a URL, the file of a SQLite database, or a journal.

    Raises SourceError.
    """
    if "://" not in storage:
        file = Path(storage)
        try:
            with file.open("rb") as opened:
                is_database = opened.read(len(_SQLITE)) == _SQLITE
        except OSError as error:
            raise SourceError(f"{file}: {error.strerror}") from None
        if not is_database:
            return [kept for kept in replayed(file) if wanted(kept.title)]
        storage = f"sqlite:///{file.absolute()}"
    with tables.reading(storage) as connection:
        _check(connection, storage)
        found = tables.rows(connection, "studies")
        return [_study(connection, row) for row in found if wanted(row["study_name"])]


def _check(connection: Connection, storage: str) -> None:
    if not connection.dialect.has_table(connection, "version_info"):
        raise SourceError(f"{tables.shown(storage)} is no storage of Optuna's: it has no table version_info")
    if not connection.dialect.has_table(connection, "trial_intermediate_values"):
        raise SourceError(
            f"{tables.shown(storage)} is of an Optuna before 2.4: optuna storage upgrade makes it readable"
        )
    version = tables.rows(connection, "version_info")[0]
    if version["schema_version"] != SCHEMA:
        raise SourceError(
            f"{tables.shown(storage)} has schema {version['schema_version']} of Optuna {version['library_version']}; "
            f"schema {SCHEMA} is understood"
        )


def _study(connection: Connection, row: Mapping[str, Any]) -> Kept:
    known = {"study": row["study_id"]}
    of_study = "study_id = :study"
    of_trials = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = :study)"
    directions = tables.rows(connection, "study_directions", of_study, **known)
    names = tables.rows(connection, "study_system_attributes", f'{of_study} AND "key" = :key', key=_NAMES, **known)
    trials = {
        each["trial_id"]: Trial(
            number=each["number"],
            state=each["state"],
            started=_seconds(each["datetime_start"]),
            ended=_seconds(each["datetime_complete"]),
        )
        for each in tables.rows(connection, "trials", f"{of_study} ORDER BY trial_id", **known)
    }
    distributions: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for each in tables.rows(connection, "trial_params", f"{of_trials} ORDER BY param_id", **known):
        trials[each["trial_id"]].parameters[each["param_name"]] = each["param_value"]
        if each["distribution_json"] not in (seen := distributions[each["param_name"]]):
            seen[each["distribution_json"]] = json.loads(each["distribution_json"])
    for each in tables.rows(connection, "trial_values", of_trials, **known):
        value = number_of(each["value"], each.get("value_type"))
        trials[each["trial_id"]].values[each["objective"]] = value
    for each in tables.rows(connection, "trial_intermediate_values", of_trials, **known):
        value = number_of(each["intermediate_value"], each.get("intermediate_value_type"))
        trials[each["trial_id"]].steps[each["step"]] = value
    for each in tables.rows(connection, "trial_user_attributes", of_trials, **known):
        trials[each["trial_id"]].attributes[each["key"]] = json.loads(each["value_json"])
    return Kept(
        title=row["study_name"],
        directions=[each["direction"] for each in sorted(directions, key=lambda each: each["objective"])],
        metrics=json.loads(names[0]["value_json"]) if names else None,
        trials=sorted(trials.values(), key=lambda trial: trial.number),
        distributions={name: list(seen.values()) for name, seen in distributions.items()},
    )


def _seconds(at: datetime | str | None) -> float | None:
    """Epoch seconds of a local time without a zone, which is what Optuna keeps."""
    if at is None:
        return None
    return round((datetime.fromisoformat(at) if isinstance(at, str) else at).timestamp(), 3)
