"""What is old is removed, and only that."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from jobs import children, new_name, register, training_ended, tuning_ended
from pegbox.cli.main import app
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer, wait_for

DAY = 86_400
KEEPING = {"PEGBOX_KEEP_LOGS_DAYS": "10", "PEGBOX_KEEP_POINTS_DAYS": "5"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_daily_sweep_removes_what_is_old(
    start_server: Callable[..., RunningServer], request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = f"sqlite:///{tmp_path / 'pegbox.db'}"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").database(f"old_{uuid.uuid4().hex[:8]}")
    server = start_server(environment={"PEGBOX_DATABASE_URL": url, "PEGBOX_TICK": "0.2"})
    server.client("s3").create_bucket(Bucket="kept")
    sagemaker, image = server.client("sagemaker"), register(server, tmp_path, "print('loss=0.5;')")
    fresh, old, tuned = new_name("fresh"), new_name("old"), new_name("tune")
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request(tuned, image, "s3://kept/out"))
    tuning_ended(sagemaker, tuned)
    definitions = [{"Name": "loss", "Regex": "loss=(.*?);"}]
    for name in (fresh, old):
        asked = training_request(name, image, "s3://kept/out")
        asked["AlgorithmSpecification"]["MetricDefinitions"] = definitions
        sagemaker.create_training_job(**asked)
        training_ended(sagemaker, name)
    child, sibling = sorted(job["TrainingJobName"] for job in children(sagemaker, tuned))
    before = [_described(sagemaker, name) for name in (fresh, old, child, sibling)]
    assert server.stop() == 0

    engine = create_engine(url)
    with engine.begin() as connection:
        ids = {row.name: row.id for row in connection.execute(text("select name, id from resource"))}
        age = text("update resource set ended_at = ended_at - :seconds where name = :name")
        connection.execute(age, [{"name": old, "seconds": 11 * DAY}, {"name": child, "seconds": 6 * DAY}])
        connection.execute(text("update resource set ended_at = null where name = :name"), {"name": tuned})
    found = CliRunner().invoke(
        app, ["doctor", "--json", "--home", str(server.home)], env={"PEGBOX_DATABASE_URL": url, **KEEPING}
    )
    assert json.loads(found.output)["old"] == {"logs": 1, "metric points": 1}
    with engine.begin() as connection:
        connection.execute(
            text("update resource set ended_at = modified_at - :seconds where name = :name"),
            {"name": tuned, "seconds": 6 * DAY},
        )

    def points() -> dict[str, int]:
        with engine.begin() as connection:
            counted = text("select resource_id, count(*) as found from point group by resource_id")
            known = {row.resource_id: row.found for row in connection.execute(counted)}
        return {name: known.get(ids[name], 0) for name in (fresh, old, child, sibling)}

    had = points()
    assert all(had.values())
    servers = [RunningServer(server.home, environment={**server.environment, **KEEPING}) for _ in range(2)]
    try:
        wait_for("the sweep", lambda: "removed what was to be kept no longer" in server.log.read_text())
        wait_for("the points", lambda: points() == {**had, old: 0, child: 0})
        attempts = server.home / "attempts"
        wait_for("the logs", lambda: not (attempts / str(ids[old])).exists())
        for name in (fresh, child, sibling):
            assert (attempts / str(ids[name]) / "1" / "algo-1.log").read_text() == "loss=0.5;\n"
        sagemaker = servers[-1].client("sagemaker")
        assert [_described(sagemaker, name) for name in (fresh, old, child, sibling)] == before
    finally:
        for each in servers:
            each.kill()
    engine.dispose()


def _described(sagemaker: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return {key: value for key, value in found.items() if key != "ResponseMetadata"}
