"""Records of other tools into a database, on both databases: whole or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from pegbox.maintenance import importing
from pegbox.maintenance.archive import MaintenanceError
from pegbox.maintenance.importing import Brought
from pegbox.maintenance.progress import Progress
from pegbox.maintenance.transfer import Place
from pegbox.operations.indexing import catch_up
from pegbox.sources import records
from pegbox.sources.base import Objective, Run, Study
from pegbox.store import schema
from pegbox.store.base import NotFound
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from running import wait_for

BEGAN = 1_700_000_000.0

_regions = itertools.count()


@pytest.fixture(scope="module")
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


@pytest.fixture
def place(store: SqlStore) -> Place:
    """Where nothing is yet."""
    return Place(store, "123456789012", f"eu-north-{next(_regions)}")


def run(number: int, **changes: Any) -> Run:
    given: dict[str, Any] = {
        "name": f"study-{number:03d}",
        "status": "Completed",
        "parameters": {"x": str(number), "y": "1"},
        "metrics": {"loss": (float(number), None)},
        "tags": {},
        "started": BEGAN + number,
        "ended": BEGAN + number + 1,
    }
    return Run(**given | changes)


def study(runs: Sequence[Run], *tuned: str) -> Study:
    ranges = [{"Name": name, "MinValue": "0", "MaxValue": "99"} for name in tuned or ("x",)]
    return Study(
        source="optuna",
        name="study",
        title="Study",
        tags={"imported.from": "optuna"},
        runs=runs,
        objective=Objective(metric="loss", maximize=False),
        ranges={"IntegerParameterRanges": ranges},
    )


def bring(place: Place, given: Study) -> Brought:
    jobs = [records.training_job(given, each) for each in given.runs]
    return importing.bring(place, records.tuning_job(given), jobs, Progress(print), given.source)


def there(place: Place) -> dict[str, dict[str, str]]:
    """The training jobs of the tuning job, by name, with what was tuned."""
    with place.store.reading() as tx:
        tuning = tx.get(place.account, place.region, Kind.TUNING_JOB, "study")
        children = tx.children(tuning.id)
        assert [child.number for child in children] == sorted({child.number for child in children})
        return {tx.by_id(child.id).name: dict(tx.by_id(child.id).state["tuned"]) for child in children}


def test_parts_make_a_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PART", 3)
    assert bring(place, study([run(number) for number in range(10)])) == Brought(10, 0)
    assert bring(place, study([run(number) for number in range(11)])) == Brought(1, 10)
    assert sorted(there(place)) == [f"study-{number:03d}" for number in range(11)]
    known = importing.names(place, Kind.TRAINING_JOB, [f"STUDY-{number:03d}" for number in range(20)])
    assert known == {f"study-{number:03d}": BEGAN + number for number in range(11)}
    assert catch_up(place.store, Kind.TUNING_JOB, 60)


def test_it_has_no_row_while_it_waits_for_the_turn_to_index(place: Place) -> None:
    """Or whoever had that, and deleted the tuning job, would wait for it."""
    if place.store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    assert bring(place, study([run(0)])) == Brought(1, 0)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND database IS NOT NULL")
    with ThreadPoolExecutor(1) as pool:
        with place.store.transaction() as tx:
            tx.alone()
            brought = pool.submit(bring, place, study([run(0), run(1)]))
            wait_for("it to wait", lambda: tx.connection.execute(waiting).scalar_one())
            tx.connection.execute(select(schema.resource.c.id).with_for_update(nowait=True))
        assert brought.result() == Brought(1, 1)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (run(9, name="not_a_name"), "not_a_name cannot be imported: 1 validation error detected"),
        (run(9, started=BEGAN + 5), "there is another training job named study-009 already"),
    ],
)
def test_nothing_is_there_of_what_cannot_be_written(place: Place, wrong: Run, message: str) -> None:
    single = Study(source="optuna", name="x", title="x", tags={}, runs=[run(9)])
    importing.bring(place, None, [records.training_job(single, run(9))], Progress(print))
    with pytest.raises(MaintenanceError, match=message):
        bring(place, study([*map(run, range(9)), wrong]))
    with place.store.reading() as tx:
        with pytest.raises(NotFound):
            tx.get(place.account, place.region, Kind.TUNING_JOB, "study")
        with pytest.raises(NotFound):
            tx.get(place.account, place.region, Kind.TRAINING_JOB, "study-000")
        assert tx.get(place.account, place.region, Kind.TRAINING_JOB, "study-009").parent_id is None


def test_other_ranges_are_those_of_all_training_jobs(place: Place) -> None:
    bring(place, study([run(0), run(1)]))
    assert there(place)["study-000"] == {"x": "0"}
    assert bring(place, study([run(0), run(1)], "x", "y")) == Brought(0, 2)
    assert there(place) == {"study-000": {"x": "0", "y": "1"}, "study-001": {"x": "1", "y": "1"}}


def test_more_metrics_than_a_request_may_define_are_kept(place: Place) -> None:
    many = {f"m{number}": (float(number), None) for number in range(100)}
    bring(place, study([run(0, metrics={"loss": (1.0, None), **many})]))
    with place.store.reading() as tx:
        row = tx.get(place.account, place.region, Kind.TRAINING_JOB, "study-000")
    assert len(row.state["latest"]) == 101 and row.objective == 1.0


def test_what_tags_and_hyperparameters_cannot_hold(place: Place) -> None:
    odd = {
        "aws:x": "reserved",
        "ok": "a*b",
        "long": "x" * 257,
        "": "none",
        "k" * 200: "cut",
        **{f"t{n}": "" for n in range(60)},
    }
    told = run(
        0, tags=odd, parameters={"x": "1", "text": "a\nb\x00", "long": "y" * 3000, **{f"p{n}": "" for n in range(200)}}
    )
    record = records.training_job(study([told]), told)
    tags = {tag["Key"]: tag["Value"] for tag in record["Tags"]}
    assert len(tags) == 50 and tags["ok"] == "a_b" and "k" * 128 in tags and not {"aws:x", "long", ""} & tags.keys()
    given = record["HyperParameters"]
    assert len(given) == 100 and given["text"] == "a b " and len(given["long"]) == 2500
    assert bring(place, study([told])) == Brought(1, 0)


def test_what_the_definition_of_a_tuning_job_cannot_hold(place: Place) -> None:
    """Notes, paths and settings of a framework are logged as parameters, too: they keep no experiment out."""
    static = {"text": "a\nb\x00", "long": "y" * 3000, "n" * 257: "1", **{f"s{n:03d}": "" for n in range(150)}}
    runs = [run(number, parameters={**static, "zz": str(number), "kind": f"of\n{number}"}) for number in range(2)]
    kinds = {"CategoricalParameterRanges": [{"Name": "kind", "Values": ["of\n0", "of\n1"]}]}
    given = replace(study(runs, "zz"), static=static)
    given = replace(given, ranges={**given.ranges, **kinds})
    record = records.tuning_job(given)
    fixed = record["TrainingJobDefinition"]["StaticHyperParameters"]
    assert len(fixed) == 98 and fixed["text"] == "a b " and fixed["long"] == "y" * 2500
    (kind,) = record["HyperParameterTuningJobConfig"]["ParameterRanges"]["CategoricalParameterRanges"]
    assert kind["Values"] == ["of 0", "of 1"]
    assert bring(place, given) == Brought(2, 0)
    assert there(place) == {f"study-{n:03d}": {"zz": str(n), "kind": f"of {n}"} for n in range(2)}
