"""Lineage without a server, on both databases: against an oracle, at its limits, and while others write."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, Shape, StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pegbox.domain import lineage as walks
from pegbox.domain.lineage import Link
from pegbox.errors import ResourceLimitExceeded, ResourceNotFound, ServiceUnavailable, ValidationException
from pegbox.operations import actions, artifacts, associations, contexts, lineage, lineage_entities, tracing
from pegbox.operations.call import Call
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in
from pegbox.testing.store_rows import a_job

ACCOUNT = "000000000000"
_regions = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    url = f"sqlite:///{tmp_path_factory.mktemp('lineage') / 'pegbox.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database(f"lineage_{uuid.uuid4().hex[:8]}")
    store = SqlStore(url)
    yield store
    store.close()


def new_call(store: SqlStore) -> Call:
    """In a region where nothing is."""
    return call_in(store, ACCOUNT, f"region-{next(_regions)}")


@pytest.fixture
def call(store: SqlStore) -> Call:
    return new_call(store)


def artifact(call: Call, uri: str, type: str = "DataSet", **properties: str) -> str:
    request: Any = {"Source": {"SourceUri": uri}, "ArtifactType": type, "Properties": properties}
    return artifacts.create_artifact(request, call)["ArtifactArn"]


def job(call: Call, name: str, *inputs: str, status: str = "Completed") -> None:
    document = {
        "AlgorithmSpecification": {"TrainingImage": "image"},
        "InputDataConfig": [{"DataSource": {"S3DataSource": {"S3Uri": uri}}} for uri in inputs],
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://models/{name}"},
    }
    row = a_job(name, account=call.account, region=call.region, status=status, document=document, ended_at=2000.0)
    with call.store.transaction() as tx:
        tx.insert(row)


def join(call: Call, source: str, destination: str) -> None:
    request: Any = {"SourceArn": source, "DestinationArn": destination, "AssociationType": "Produced"}
    associations.add_association(request, call)


def query(call: Call, start: str, **more: Any) -> list[str]:
    """The ARNs on all pages."""
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        request: Any = {"StartArns": [start], **more, **token}
        answer = lineage.query_lineage(request, call)
        found += [each["Arn"] for each in answer["Vertices"]]
        if "NextToken" not in answer:
            return found
        token = {"NextToken": answer["NextToken"]}


def around(links: Collection[tuple[int, int]], start: int, ways: str, depth: int) -> list[set[int]]:
    """What is so many associations away, found the simple way."""
    levels, seen = [], {start}
    frontier = {start}
    for _ in range(depth):
        down = {to for one, to in links if one in frontier and ways != "Ascendants"}
        up = {one for one, to in links if to in frontier and ways != "Descendants"}
        frontier = (down | up) - seen
        seen |= frontier
        levels.append(frontier)
    return levels


@given(
    links=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda ends: ends[0] != ends[1]), max_size=9),
    ways=st.sampled_from(["Ascendants", "Descendants", "Both"]),
    depth=st.integers(1, 5),
    size=st.integers(1, 3),
    types=st.one_of(st.none(), st.sampled_from(["even", "odd"])),
)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_pages_are_those_of_the_oracle(
    store: SqlStore, links: set[tuple[int, int]], ways: str, depth: int, size: int, types: str | None
) -> None:
    call = new_call(store)
    arns = [artifact(call, f"s3://{number}", "odd" if number % 2 else "even") for number in range(6)]
    for one, to in sorted(links):
        join(call, arns[one], arns[to])
    filters = {"Filters": {"Types": [types]}} if types else {}
    for edges in (False, True):
        found = query(call, arns[0], Direction=ways, MaxDepth=depth, MaxResults=size, IncludeEdges=edges, **filters)
        levels = around(links, 0, ways, depth)
        expected = [
            arns[each] for level in levels for each in sorted(level) if not types or each % 2 == (types == "odd")
        ]
        assert [arn for arn in found if arn in expected] == expected
        assert edges or found == expected


def test_pages_lose_and_repeat_nothing_while_entities_arrive(call: Call) -> None:
    start = artifact(call, "s3://start")
    there = [artifact(call, f"s3://{number}") for number in range(4)]
    for each in there:
        join(call, start, each)
    first: Any = {"StartArns": [start], "MaxResults": 2}
    answer = lineage.query_lineage(first, call)
    join(call, start, artifact(call, "s3://late"))
    rest: Any = {**first, "NextToken": answer["NextToken"], "MaxResults": 50}
    found = [each["Arn"] for page in (answer, lineage.query_lineage(rest, call)) for each in page["Vertices"]]
    assert found[:4] == there
    assert len(found) == 5


def test_jobs_are_found_from_every_side(call: Call) -> None:
    job(call, "one", "s3://a", "s3://a", "s3://b")
    job(call, "two", "s3://models/one")
    job(call, "bad", "s3://a", status="Failed")
    request: Any = {"SourceUri": "s3://a"}
    (found,) = artifacts.list_artifacts(request, call)["ArtifactSummaries"]
    assert found["CreationTime"] == 1000.25
    down = query(call, found["ArtifactArn"], Direction="Descendants")
    names = [arn.rpartition("/")[2].removesuffix("-aws-training-job") for arn in down]
    assert names[:2] == ["one", "bad"]
    assert names[3] == "two"
    only: Any = {"ArtifactType": "Model"}
    models = artifacts.list_artifacts(only, call)["ArtifactSummaries"]
    assert {each["Source"]["SourceUri"] for each in models} == {"s3://models/one", "s3://models/two"}
    assert {each["CreationTime"] for each in models} == {2000.0}
    with pytest.raises(ValidationException, match="already exists"):
        artifact(call, "s3://b")


def test_others_see_nothing(call: Call, store: SqlStore) -> None:
    job(call, "mine", "s3://a")
    empty: Any = {}
    assert artifacts.list_artifacts(empty, call)["ArtifactSummaries"]
    assert associations.list_associations(empty, call)["AssociationSummaries"]
    other = new_call(store)
    assert artifacts.list_artifacts(empty, other)["ArtifactSummaries"] == []
    assert associations.list_associations(empty, other)["AssociationSummaries"] == []


def test_a_part_of_the_lineage_is_not_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        job(call, f"job-{number}", "s3://a")
    monkeypatch.setattr(tracing, "BATCH", 1)
    monkeypatch.setattr(tracing, "SECONDS", -1.0)
    request: Any = {"SourceUri": "s3://a"}
    with pytest.raises(ServiceUnavailable, match="try your request again"):
        artifacts.list_artifacts(request, call)
    monkeypatch.setattr(tracing, "SECONDS", 60.0)
    (found,) = artifacts.list_artifacts(request, call)["ArtifactSummaries"]
    types = {"LineageTypes": ["TrialComponent"]}
    assert len(query(call, found["ArtifactArn"], Direction="Descendants", Filters=types)) == 3


def test_a_walk_that_is_too_long_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    start = artifact(call, "s3://start")
    for number in range(4):
        join(call, start, artifact(call, f"s3://{number}"))
    assert len(query(call, start)) == 4
    monkeypatch.setattr(walks, "MOST_LINKS", 3)
    with pytest.raises(ValidationException, match="more than 3 associations"):
        query(call, start)


def test_what_requests_make_is_limited(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage_entities, "MOST", {Kind.ARTIFACT: 2, Kind.ACTION: 0, Kind.CONTEXT: 0})
    monkeypatch.setattr(associations, "MOST", 1)
    job(call, "made", "s3://a", "s3://b", "s3://c")  # what the service makes does not count
    one, other = artifact(call, "s3://1"), artifact(call, "s3://2")
    with pytest.raises(ResourceLimitExceeded, match="'Number of artifacts' is 2 Artifacts, with current utilization"):
        artifact(call, "s3://3")
    named: Any = {
        "ActionName": "a",
        "ContextName": "c",
        "Source": {"SourceUri": "x"},
        "ActionType": "",
        "ContextType": "",
    }
    with pytest.raises(ResourceLimitExceeded, match="Number of actions"):
        actions.create_action(named, call)
    with pytest.raises(ResourceLimitExceeded, match="Number of contexts"):
        contexts.create_context(named, call)
    join(call, one, other)
    with pytest.raises(ResourceLimitExceeded, match="Number of associations"):
        join(call, other, one)


def test_an_artifact_is_not_deleted_while_a_job_of_it_is_traced(call: Call, store: SqlStore) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    data: Any = {"ArtifactArn": artifact(call, "s3://data")}
    job(call, "job")
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND database IS NOT NULL")
    with ThreadPoolExecutor(1) as pool, store.engine.connect() as looking:
        with store.transaction() as tx:
            tx.graph.alone()
            deleted = pool.submit(artifacts.delete_artifact, data, call)
            while not deleted.done() and not looking.execute(waiting).scalar_one():
                looking.rollback()
            row = tx.get(call.account, call.region, Kind.ARTIFACT, data["ArtifactArn"].rpartition("/")[2])
            reader = tx.get(call.account, call.region, Kind.TRAINING_JOB, "job")
            tx.graph.connect(Link(row.id, reader.id, "ContributedTo"), 1.0)
        with pytest.raises(ValidationException, match="while it has associations"):
            deleted.result()


def test_requests_answer_while_jobs_and_artifacts_are_deleted(call: Call, store: SqlStore) -> None:
    names = [f"job-{number}" for number in range(60)]

    def come_and_go() -> None:
        for name in names:
            job(call, name, "s3://data")
            with store.transaction() as tx:
                tx.delete(tx.get(call.account, call.region, Kind.TRAINING_JOB, name).id)

    def delete() -> None:
        for _ in names:
            with suppress(ValidationException, ResourceNotFound):
                artifacts.delete_artifact({"Source": {"SourceUri": "s3://data"}}, call)

    def look() -> None:
        for _ in names:
            artifacts.list_artifacts({}, call)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(each) for each in (come_and_go, delete, look, look)]:
            done.result()


def test_a_job_that_is_spoilt_is_not_in_the_way(call: Call) -> None:
    job(call, "spoilt", "s3://a")
    with call.store.transaction() as tx:
        row = tx.get(call.account, call.region, Kind.TRAINING_JOB, "spoilt")
        tx.rewrite(replace(row, document={"nothing": "known"}))
    job(call, "sound", "s3://b")
    empty: Any = {"SourceUri": "s3://b"}
    assert len(artifacts.list_artifacts(empty, call)["ArtifactSummaries"]) == 1


SERVICE = botocore.session.get_session().get_service_model("sagemaker")


def members(shape: Shape, path: str = "") -> Iterator[str]:
    """The path of everything that a shape can say."""
    if isinstance(shape, StructureShape):
        for name, inner in shape.members.items():
            yield from members(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(shape, ListShape) and isinstance(shape.member, StructureShape):
        yield from members(shape.member, path)
    else:
        yield path


@pytest.mark.parametrize("noun", ["Model", "EndpointConfig", "Artifact", "Action", "Context"])
def test_describe_has_a_place_for_all_that_create_can_say(noun: str) -> None:
    """Documents are kept whole, so what can be told is told; a member that is new in the model fails here."""
    said = set(members(SERVICE.operation_model(f"Create{noun}").input_shape))
    told = set(members(SERVICE.operation_model(f"Describe{noun}").output_shape))
    assert {path for path in said - told if not path.startswith("Tags.")} == set()


def test_what_is_just_being_associated_is_not_deleted(store: SqlStore, call: Call) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    arns = [artifact(call, uri) for uri in ("s3://one", "s3://other")]
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as tx:
            one, other = (tx.get(call.account, call.region, Kind.ARTIFACT, arn.rsplit("/", 1)[1]).id for arn in arns)
            assert tx.graph.connect(Link(one, other, "Produced"), 1.0)
            deleted = pool.submit(artifacts.delete_artifact, {"ArtifactArn": arns[0]}, call)
            with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                while not connection.execute(waiting).scalar_one():
                    assert not deleted.done()
        with pytest.raises(ValidationException, match="can't be deleted while it has associations"):
            deleted.result()


def test_a_row_that_is_spoilt_is_left_out(store: SqlStore, call: Call) -> None:
    one, spoilt, other = (artifact(call, f"s3://{name}") for name in ("one", "spoilt", "other"))
    join(call, one, spoilt)
    join(call, one, other)
    with store.transaction() as tx:
        row = tx.get(call.account, call.region, Kind.ARTIFACT, spoilt.rsplit("/", 1)[1])
        tx.connection.execute(text("UPDATE resource SET document = '{' WHERE id = :id"), {"id": row.id})
    answer = lineage.query_lineage({"StartArns": [one], "IncludeEdges": True}, call)
    assert [each["Arn"] for each in answer["Vertices"]] == [other]
    assert [each["DestinationArn"] for each in answer["Edges"]] == [other]
