"""Where MLflow keeps experiments: a tracking server, the tables of a database, a folder mlruns.

Understood are the REST API 2.0 of MLflow 1.28 to 3, databases of MLflow 1.4 to 3 and folders of MLflow 1.0 to 3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection

from pegbox.sources import mlflow_files, mlflow_rest, tables
from pegbox.sources.base import SourceError
from pegbox.sources.mlflow import Kept, KeptRun, seconds

Wanted = Callable[[str], bool]

_ENDLESS = 1.797e308  #: from here on a number of a database stands for infinity


def address(uri: str) -> str:
    """A store for people, and for tags."""
    if _is_folder(uri):
        return str(_folder(uri))
    return mlflow_rest.shown(uri) if uri.startswith(mlflow_rest.SCHEMES) else tables.shown(uri)


def experiments(uri: str, wanted: Wanted, step: Callable[[int], None]) -> Iterator[Kept]:
    """The experiments whose names are wanted, with runs that were not deleted; `step` hears of runs that were read.

    `uri`: what MLflow calls a tracking URI.  Raises SourceError.
    """
    if uri.startswith(mlflow_rest.SCHEMES):
        yield from mlflow_rest.experiments(uri, wanted, step)
    elif _is_folder(uri):
        yield from mlflow_files.experiments(_folder(uri), wanted, step)
    else:
        yield from _of_database(uri, wanted, step)


def _is_folder(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file:")


def _folder(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri).absolute()


def _of_database(uri: str, wanted: Wanted, step: Callable[[int], None]) -> Iterator[Kept]:
    with tables.reading(uri) as connection:
        for table in ("experiments", "runs", "params", "latest_metrics", "tags"):
            if not connection.dialect.has_table(connection, table):
                raise SourceError(f"{tables.shown(uri)} is no store of MLflow 1.4 or later: it has no table {table}")
        rows = tables.rows(connection, "experiments", "lifecycle_stage = 'active' ORDER BY experiment_id")
        for row in rows:
            if wanted(row["name"]):
                yield _experiment(connection, row, step)


def _experiment(connection: Connection, row: Mapping[str, Any], step: Callable[[int], None]) -> Kept:
    known = {"experiment": row["experiment_id"]}
    of_runs = "run_uuid IN (SELECT run_uuid FROM runs WHERE experiment_id = :experiment AND lifecycle_stage = 'active')"
    texts: dict[str, dict[str, dict[str, str]]] = {}
    for table in ("params", "tags"):
        found = texts[table] = defaultdict(dict)
        for each in tables.rows(connection, table, of_runs, **known):
            found[each["run_uuid"]][each["key"]] = each["value"] or ""
    metrics: dict[str, dict[str, tuple[float, float | None]]] = defaultdict(dict)
    for each in tables.rows(connection, "latest_metrics", of_runs, **known):
        if not each["is_nan"] and abs(each["value"]) < _ENDLESS:
            metrics[each["run_uuid"]][each["key"]] = (each["value"], seconds(each["timestamp"]))
    found_runs = tables.rows(connection, "runs", "experiment_id = :experiment AND lifecycle_stage = 'active'", **known)
    step(len(found_runs))
    return Kept(
        id=str(row["experiment_id"]),
        title=row["name"],
        created=seconds(row.get("creation_time")),
        runs=[
            KeptRun(
                id=each["run_uuid"],
                title=each["name"] or "",
                status=each["status"],
                started=seconds(each["start_time"]),
                ended=seconds(each["end_time"]),
                artifacts=each["artifact_uri"] or "",
                parameters=texts["params"][each["run_uuid"]],
                metrics=metrics[each["run_uuid"]],
                tags=texts["tags"][each["run_uuid"]],
            )
            for each in found_runs
        ],
    )
