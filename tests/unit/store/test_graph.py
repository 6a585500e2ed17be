"""Entities, associations and what of training jobs has been traced, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text

from pegbox.domain.lineage import Link
from pegbox.store import associations, edges, listing
from pegbox.store.base import AlreadyExists, NotFound, Stale
from pegbox.store.graph import AssociationQuery, Entity, Step
from pegbox.store.queries import Query
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.store_suite import ACCOUNT, REGION, a_job


def an_entity(name: str, type: str = "DataSet", source: str = "s3://data", **changes: Any) -> Entity:
    row = a_job(name, **{"kind": Kind.ARTIFACT, "ended_at": 1.0, "due_at": None, "state": {}, **changes})
    return Entity(row=row, type=type, source=source)


def add(store: SqlStore, *given: Entity) -> list[Resource]:
    with store.transaction() as tx:
        return [tx.graph.add(each) for each in given]


def insert(store: SqlStore, name: str, **changes: Any) -> Resource:
    with store.transaction() as tx:
        return tx.insert(a_job(name, **changes))


def listed(store: SqlStore, **wanted: Any) -> list[str]:
    query = Query(account=ACCOUNT, region=REGION, kind=Kind.ARTIFACT, **wanted)
    with store.reading() as tx:
        return [row.name for row in tx.select(query, None, 10).resources]


def trace(store: SqlStore, limit: int = 100) -> list[str]:
    """Trace jobs, each of which read s3://data and, when it has ended, wrote an artifact of its own."""
    with store.transaction() as tx:
        jobs = tx.graph.untraced(ACCOUNT, REGION, limit)
        steps = []
        for job in jobs:
            steps.append(a_step(job, "data", is_input=True))
            if job.ended_at is not None:
                steps.append(a_step(job, f"of-{job.name}", is_input=False))
        if jobs:
            tx.graph.trace(jobs, steps)
        return [job.name for job in jobs]


def a_step(job: Resource, name: str, *, is_input: bool) -> Step:
    artifact = replace(an_entity(name, source=f"s3://{name}"), is_made=True)
    return Step(artifact=artifact, job=job.id, is_input=is_input, type="ContributedTo", at=job.created_at)


def end(store: SqlStore, name: str) -> None:
    with store.transaction() as tx:
        row = tx.get(ACCOUNT, REGION, Kind.TRAINING_JOB, name)
        tx.save(replace(row, status="Completed", ended_at=2000.0))


def links(store: SqlStore) -> int:
    with store.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM association")).scalar_one())


def has_untraced(store: SqlStore) -> bool:
    with store.reading() as tx:
        return tx.graph.has_untraced(ACCOUNT, REGION)


def test_an_entity_is_added_once(store: SqlStore) -> None:
    (row,) = add(store, an_entity("a", "Model"))
    with pytest.raises(AlreadyExists):
        add(store, an_entity("A"))
    with store.reading() as tx:
        assert tx.graph.types([row.id, 99]) == {row.id: "Model"}
        assert tx.graph.rows([row.id, 99]) == {row.id: tx.by_id(row.id)}
        assert not tx.has_unindexed(Kind.ARTIFACT)


@pytest.mark.parametrize("few", [0, 1000])
def test_entities_are_found_by_type_and_source(store: SqlStore, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FEW", few)
    long = "s3://" + "x" * 2000
    add(store, an_entity("a"), an_entity("b", "Model"), an_entity("c", source=long), an_entity("d", "Model", long))
    add(store, an_entity("e", region="eu-west-3"))
    assert listed(store) == list("abcd")
    assert listed(store, type="Model") == list("bd")
    assert listed(store, source=long) == list("cd")
    assert listed(store, source=long, type="DataSet") == list("c")
    assert listed(store, type="Image") == listed(store, source="s3://dat") == []


def test_associations_go_with_what_they_join(store: SqlStore) -> None:
    a, b, c = add(store, *map(an_entity, "abc"))
    with store.transaction() as tx:
        assert tx.graph.connect(Link(a.id, b.id, "Produced"), 1.0)
        assert not tx.graph.connect(Link(a.id, b.id, None), 2.0)
        assert tx.graph.connect(Link(b.id, a.id, None), 2.0)
        assert tx.graph.connect(Link(b.id, c.id, None), 3.0, is_made=True)
        assert tx.graph.links([a.id], True, 9) == [Link(a.id, b.id, "Produced")]
        assert {link.destination for link in tx.graph.links([a.id, b.id], True, 9)} == {a.id, b.id, c.id}
        assert {link.source for link in tx.graph.links([a.id, c.id], False, 9)} == {b.id}
        assert len(tx.graph.links([a.id, b.id], True, 2)) == 2
        assert tx.graph.connected_by_requests(ACCOUNT, REGION) == 2
        assert tx.graph.connected_by_requests(ACCOUNT, "eu-west-3") == 0
        assert tx.graph.made_by_requests(ACCOUNT, REGION, Kind.ARTIFACT) == 3
        assert tx.graph.disconnect(b.id, a.id)
        assert not tx.graph.disconnect(b.id, a.id)
        assert tx.graph.is_connected(c.id)
    with store.transaction() as tx:
        tx.delete(b.id)
    with store.reading() as tx:
        assert not tx.graph.is_connected(c.id)
        assert tx.graph.made_by_requests(ACCOUNT, REGION, Kind.ARTIFACT) == 2
    assert links(store) == 0


def test_what_was_deleted_just_now_is_not_associated(store: SqlStore) -> None:
    (a,) = add(store, an_entity("a"))
    with pytest.raises(NotFound), store.transaction() as tx:
        tx.graph.connect(Link(a.id, 99, None), 1.0)
    assert links(store) == 0


@pytest.mark.parametrize("sort_by", ["CreationTime", "SourceArn", "DestinationArn", "SourceType", "DestinationType"])
@pytest.mark.parametrize("descending", [False, True])
def test_associations_are_paged_in_order(store: SqlStore, sort_by: str, descending: bool) -> None:
    job = insert(store, "Job")
    rows = add(store, an_entity("B-b", "m"), an_entity("a", "M"), an_entity("b-1", "", kind=Kind.ACTION))
    with store.transaction() as tx:
        for number, (source, destination) in enumerate(((0, 2), (1, 2), (0, 1), (2, 1))):
            tx.graph.connect(Link(rows[source].id, rows[destination].id, None), float(number % 2))
        tx.graph.connect(Link(rows[0].id, job.id, None), 0.5)
    query = AssociationQuery(account=ACCOUNT, region=REGION, sort_by=sort_by, descending=descending)
    found, after = [], None
    while True:
        with store.reading() as tx:
            page, after = tx.graph.associations(query, after, 2)
        found += page
        if after is None:
            break
    assert len({(each.source.id, each.destination.id) for each in found}) == 5

    def named(row: Resource) -> str:
        return "experiment-trial-component/job-aws-training-job" if row is job else f"{row.kind}/{row.name.lower()}"

    values = [
        {
            "CreationTime": each.created_at,
            "SourceArn": named(each.source),
            "DestinationArn": named(job if each.destination.id == job.id else each.destination),
            "SourceType": each.source_type,
            "DestinationType": each.destination_type,
        }[sort_by]
        for each in found
    ]
    assert values == sorted(values, reverse=descending)  # type: ignore[type-var]


@pytest.fixture
def crowded(store: SqlStore) -> SqlStore:
    """A dataset and an image with more associations than are all looked at, a few others."""
    with store.transaction() as tx:
        data, image = (tx.graph.add(an_entity(type.lower(), type)) for type in ("DataSet", "Image"))
        review = tx.graph.add(an_entity("review", "Review", kind=Kind.CONTEXT))
        jobs = [tx.insert(a_job(f"job-{number:04d}")) for number in range(associations.FEW + 10)]
        for number, job in enumerate(jobs):
            for artifact in (data, image):
                tx.graph.connect(Link(artifact.id, job.id, "ContributedTo"), float(number % 7), is_made=True)
        for job in jobs[::200]:
            model = tx.graph.add(an_entity(f"of-{job.name}", "Model"))
            tx.graph.connect(Link(job.id, model.id, "Produced"), 9.0, is_made=True)
            tx.graph.connect(Link(job.id, review.id, "SameAs"), 3.5)
    return store


def test_pages_of_very_many_associations_are_those_of_all(crowded: SqlStore) -> None:
    def pages(limit: int, **wanted: Any) -> list[tuple[int, int]]:
        query = AssociationQuery(**{"account": ACCOUNT, "region": REGION} | wanted)
        found, after = [], None
        while True:
            with crowded.reading() as tx:
                page, after = tx.graph.associations(query, after, limit)
            found += [(each.source.id, each.destination.id) for each in page]
            if after is None or len(found) > 1500:
                return found

    with crowded.reading() as tx:
        every, _ = tx.graph.associations(
            AssociationQuery(account=ACCOUNT, region=REGION, descending=False), None, 10 * associations.FEW
        )
        data = tx.get(ACCOUNT, REGION, Kind.ARTIFACT, "dataset").id
        review = tx.get(ACCOUNT, REGION, Kind.CONTEXT, "review").id
    ends = [(each, (each.source.id, each.destination.id)) for each in every]
    for wanted, fits in (
        ({"source": data}, lambda each: each.source.id == data),
        ({"destination": review}, lambda each: each.destination.id == review),
        ({"source_type": "DataSet"}, lambda each: each.source_type == "DataSet"),
        ({"source_type": "TrainingJob"}, lambda each: each.source_type == "TrainingJob"),
        ({"destination_type": "Model"}, lambda each: each.destination_type == "Model"),
        ({"destination_type": "Review", "type": "SameAs"}, lambda each: each.type == "SameAs"),
        ({"type": "Produced"}, lambda each: each.type == "Produced"),
        ({"source": data, "created_after": 5.0}, lambda each: each.source.id == data and each.created_at > 5.0),
        ({"source": data, "destination_type": "Model"}, lambda each: False),
    ):
        right = [end for each, end in ends if fits(each)]
        assert pages(400, **wanted, descending=False) == right
        assert pages(400, **wanted, descending=True) == right[::-1]


def test_the_associations_of_one_entity_are_read_in_their_order(crowded: SqlStore) -> None:
    if crowded.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL chooses by what it has counted")
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, given: Any, *rest: Any) -> None:
        asked.append((statement, given))

    event.listen(crowded.engine, "before_cursor_execute", note)
    with crowded.reading() as tx:
        query = AssociationQuery(account=ACCOUNT, region=REGION, source=1)
        _, after = tx.graph.associations(query, None, 5)
        tx.graph.associations(query, after, 5)
        pages = [
            (statement, given) for statement, given in asked if "association_1" in statement or "edge" in statement
        ]
        plans = [
            [row[3] for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]
            for statement, given in pages
        ]
    assert len(plans) == 2
    for plan in plans:
        assert any("USING INDEX association_down" in step for step in plan), plan
        assert sum("TEMP B-TREE" in step for step in plan) <= 1, plan  # of the page itself


def test_associations_are_chosen_by_their_ends(store: SqlStore) -> None:
    job = insert(store, "job")
    a, b = add(store, an_entity("a"), an_entity("b", "Model"))
    with store.transaction() as tx:
        tx.graph.connect(Link(a.id, job.id, "ContributedTo"), 1.0)
        tx.graph.connect(Link(job.id, b.id, "Produced"), 2.0)

    def chosen(**wanted: Any) -> list[tuple[str, str]]:
        with store.reading() as tx:
            page, _ = tx.graph.associations(
                AssociationQuery(**{"account": ACCOUNT, "region": REGION} | wanted), None, 9
            )
        return [(each.source.name, each.destination.name) for each in page]

    assert chosen() == [("job", "b"), ("a", "job")]
    assert chosen(source=a.id) == chosen(destination_type="TrainingJob") == [("a", "job")]
    assert chosen(destination=b.id, source_type="TrainingJob", type="Produced") == [("job", "b")]
    assert chosen(created_after=1.0) == chosen(destination_type="Model") == [("job", "b")]
    assert chosen(created_before=2.0, source_type="DataSet") == [("a", "job")]
    assert chosen(region="eu-west-3") == chosen(type="SameAs") == []


def test_a_job_is_traced_when_it_is_there_and_when_it_has_ended(store: SqlStore) -> None:
    assert not has_untraced(store)
    for name in ("a", "b", "c"):
        insert(store, name)
    insert(store, "elsewhere", region="eu-west-3")
    insert(store, "search", kind=Kind.TUNING_JOB)
    end(store, "b")
    assert has_untraced(store)
    assert trace(store, 2) == ["a", "b"]
    assert trace(store, 2) == ["c"]
    assert trace(store) == []
    assert not has_untraced(store)
    assert (listed(store), links(store)) == (["data", "of-b"], 4)
    end(store, "a")
    insert(store, "d")
    assert trace(store) == ["a"]
    assert trace(store) == ["d"]
    assert not has_untraced(store)
    assert (listed(store), links(store)) == (["data", "of-a", "of-b"], 6)
    with store.transaction() as tx:
        tx.delete(tx.get(ACCOUNT, REGION, Kind.TRAINING_JOB, "a").id)
    assert links(store) == 4


def test_what_was_deleted_does_not_come_back(store: SqlStore) -> None:
    insert(store, "a")
    end(store, "a")
    trace(store)
    with store.transaction() as tx:
        found = tx.select(Query(account=ACCOUNT, region=REGION, kind=Kind.ARTIFACT, source="s3://of-a"), None, 9)
        tx.delete(found.resources[0].id)
    insert(store, "b")
    trace(store)
    assert listed(store) == ["data"]


def test_other_resources_are_passed_over_once(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "FAR", 2)
    insert(store, "job")
    trace(store)
    add(store, *(an_entity(f"e{number}") for number in range(3)))
    assert has_untraced(store)
    assert trace(store) == []
    assert not has_untraced(store)


def test_a_job_that_is_committed_late_is_traced(store: SqlStore) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with store.transaction() as slow:
        slow.insert(a_job("late"))
        insert(store, "early")
        assert trace(store) == ["early"]
    assert has_untraced(store)
    assert trace(store) == ["late"]


def test_jobs_of_which_one_is_deleted_meanwhile_are_traced_again(store: SqlStore) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    gone = insert(store, "gone")
    insert(store, "kept")
    with pytest.raises(Stale), store.transaction() as tx:
        jobs = tx.graph.untraced(ACCOUNT, REGION, 9)
        with store.transaction() as other:
            other.delete(gone.id)
        tx.graph.trace(jobs, [a_step(job, "data", is_input=True) for job in jobs])
    assert trace(store) == ["kept"]
    assert links(store) == 1


def test_what_cannot_be_read_is_not_in_the_way(store: SqlStore) -> None:
    row = insert(store, "spoilt")
    insert(store, "sound")
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE resource SET document = '{' WHERE id = :id"), {"id": row.id})
    assert trace(store, 1) == []
    assert trace(store, 1) == ["sound"]
    assert not has_untraced(store)
