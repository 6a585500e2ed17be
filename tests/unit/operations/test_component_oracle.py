"""Search for trial components against the oracle: those that were written down, and those of training jobs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pegbox.domain.curves import Value
from pegbox.domain.training import Outcome, TrainingJob
from pegbox.operations import automatic, search
from pegbox.operations.call import Call
from pegbox.operations.records import record
from pegbox.store import planner
from pegbox.store.base import Transaction
from pegbox.store.queries import Query
from pegbox.store.resources import Kind, MetricPoint, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in
from pegbox.testing.requests import channel
from pegbox.testing.search_oracle import matching

ACCOUNT = "000000000000"
BEGAN = 1_700_000_000.0
TRIALS = {"t1": "e1", "t2": "e1", "t3": "e2"}

_regions = itertools.count()


@pytest.fixture(scope="module")
def store(database: Callable[[], dict[str, str]]) -> Iterator[SqlStore]:
    store = SqlStore(database()["PEGBOX_DATABASE_URL"])
    yield store
    store.close()


@pytest.fixture(params=["all at once", "in small pieces"], autouse=True)
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few resources take every way of the planner."""
    if request.param == "in small pieces":
        for name, value in (("FEW", 1), ("PIECE", 1), ("GROWTH", 2)):
            monkeypatch.setattr(planner, name, value)


@dataclass(frozen=True)
class Drawn:
    """What there is of a component; of one that a job makes, the job has it."""

    of_job: bool
    parameters: Mapping[str, str | float]
    values: Sequence[float]
    uri: str | None
    tag: str | None
    trials: Sequence[str]
    ended: bool
    created: float


TEXTS = st.sampled_from(["0", "1", "1.0", "1.7", "-0.5", "1e-3", "adam", "Adam", "nan", "y" * 300])
NUMBERS = st.sampled_from([0.0, 1.0, 1.7, -0.5, 1e300, 1e-3, 3.0])
URIS = st.sampled_from(["s3://cats/data", "s3://cats/Data/more", "s3://dogs/data"])
DRAWN = st.builds(
    Drawn,
    of_job=st.booleans(),
    parameters=st.dictionaries(st.sampled_from(["eta", "a.b:c"]), st.one_of(TEXTS, NUMBERS)),
    values=st.lists(NUMBERS, max_size=3),
    uri=st.one_of(st.none(), URIS),
    tag=st.one_of(st.none(), st.sampled_from(["x", "y", "1"])),
    trials=st.lists(st.sampled_from(list(TRIALS)), max_size=2, unique=True),
    ended=st.booleans(),
    created=st.sampled_from([BEGAN, BEGAN + 0.0006, BEGAN + 30.0]),
)

EQUALITY = ["Equals", "NotEquals"]
ORDER = ["GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"]
PARAMETERS = ["Parameters.eta", "parameters.a.b:c", "Parameters.none", "Parameters.SageMaker.InstanceCount"]
PARENTS = ["Parents.TrialName", "Parents.ExperimentName"]
TEXTUAL = ["TrialComponentName", "DisplayName", "Tags.team", "InputArtifacts.train.Value", "Status.PrimaryStatus"]
NUMERIC = ["Metrics.m.Max", "Metrics.m.Last", "Metrics.m.Count", "Metrics.m.Avg"]
ANY = [*PARAMETERS, *PARENTS, *TEXTUAL, *NUMERIC, "CreationTime", "Source.SourceArn"]


def compared(names: list[str], operators: list[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"Name": st.sampled_from(names), "Operator": st.sampled_from(operators), "Value": values}
    )


IN_LIST = compared(PARENTS, [*EQUALITY, "Contains", "In"], st.sampled_from(["t1", "t2,t3", "e1", "e2", "E"]))
WORDS = st.sampled_from(["c-1", "x", "Completed", "CATS"])
SOME_NUMBERS = st.one_of(st.sampled_from(["0", "1", "1.0", "-1", "1e-3"]), NUMBERS.map(repr))
FILTERS = st.one_of(
    compared(PARAMETERS, [*EQUALITY, "Contains", "In"], TEXTS),
    compared(PARAMETERS, ORDER, SOME_NUMBERS),
    compared(
        TEXTUAL, [*EQUALITY, "Contains", "In"], st.one_of(URIS, st.sampled_from(["c-1", "x", "Completed", "CATS"]))
    ),
    compared(NUMERIC, [*EQUALITY, *ORDER], SOME_NUMBERS),
    compared(["CreationTime"], [*EQUALITY, *ORDER], st.sampled_from(["2023-11-14T22:13:20", "2023-11-14T22:13:40Z"])),
    st.fixed_dictionaries({"Name": st.sampled_from(ANY), "Operator": st.sampled_from(["Exists", "NotExists"])}),
    IN_LIST,
)
NESTED = st.fixed_dictionaries(
    {"NestedPropertyName": st.just("Parents"), "Filters": st.lists(IN_LIST, min_size=1, max_size=2)}
)


def expressions(inner: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Any]:
    lists = {
        "Filters": st.lists(FILTERS, min_size=1, max_size=3),
        "NestedFilters": st.lists(NESTED, min_size=1, max_size=2),
        **({} if inner is None else {"SubExpressions": st.lists(inner, min_size=1, max_size=2)}),
    }
    operators = {"Operator": st.sampled_from(["And", "Or"])}
    return st.fixed_dictionaries({}, optional={**lists, **operators}).filter(
        lambda found: bool(found.keys() - {"Operator"})
    )


REQUESTS = st.fixed_dictionaries(
    {"Resource": st.just("ExperimentTrialComponent"), "MaxResults": st.integers(1, 4)},
    optional={
        "SearchExpression": expressions(expressions()),
        "SortBy": st.sampled_from(ANY),
        "SortOrder": st.sampled_from(["Ascending", "Descending"]),
    },
)


def row(region: str, kind: Kind, name: str, created: float, **more: Any) -> Resource:
    given: dict[str, Any] = {"status": "", "ended_at": created, **more}
    return Resource(
        account=ACCOUNT, region=region, kind=kind, name=name, created_at=created, modified_at=created, **given
    )


def write(store: SqlStore, region: str, drawn: Sequence[Drawn]) -> Call:
    """Trials, components, and jobs, which make theirs."""
    call = call_in(store, ACCOUNT, region)
    with store.transaction(lasting=False) as tx:
        experiments = {name: tx.insert(row(region, Kind.EXPERIMENT, name, BEGAN)) for name in set(TRIALS.values())}
        trials = {
            name: tx.insert(row(region, Kind.TRIAL, name, BEGAN, parent_id=experiments[within].id)).id
            for name, within in TRIALS.items()
        }
        for number, each in enumerate(drawn):
            insert_job(tx, region, number, each) if each.of_job else insert_component(tx, region, number, each)
    automatic.follow(call)
    with store.transaction(lasting=False) as tx:
        for number, each in enumerate(drawn):
            name = f"c-{number}-aws-training-job" if each.of_job else f"c-{number}"
            component = tx.get(ACCOUNT, region, Kind.TRIAL_COMPONENT, name)
            for trial in each.trials:
                tx.tracking.join(trials[trial], component.id)
    return call


def insert_component(tx: Transaction, region: str, number: int, drawn: Drawn) -> None:
    name = f"c-{number}"
    document: dict[str, Any] = {
        "Parameters": {
            key: {"StringValue" if isinstance(value, str) else "NumberValue": value}
            for key, value in drawn.parameters.items()
        },
        "InputArtifacts": {} if drawn.uri is None else {"train": {"Value": drawn.uri, "MediaType": "text/csv"}},
        "Tags": [] if drawn.tag is None else [{"Key": "team", "Value": drawn.tag}],
    }
    if drawn.ended:
        document["Status"] = {"PrimaryStatus": "Completed"}
    tx.insert(row(region, Kind.TRIAL_COMPONENT, name, drawn.created, document=document))
    if drawn.values:
        values = [Value(None, BEGAN, value) for value in drawn.values]
        tx.tracking.put(ACCOUNT, region, name, {"m": values}, 10)


def insert_job(tx: Transaction, region: str, number: int, drawn: Drawn) -> None:
    name = f"c-{number}"
    job = TrainingJob(
        status="Completed" if drawn.ended else "InProgress",
        secondary="Completed" if drawn.ended else "Training",
        outcome=Outcome.COMPLETED if drawn.ended else None,
        started=BEGAN,
        ended=BEGAN + 5.0 if drawn.ended else None,
    )
    document = {
        "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
        "HyperParameters": {key: str(value) for key, value in drawn.parameters.items()},
        "InputDataConfig": [] if drawn.uri is None else [channel("train", drawn.uri)],
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "local", "VolumeSizeInGB": 5},
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://models/{name}/output/model.tar.gz"},
    }
    status = {"status": job.status, "ended_at": BEGAN + 5.0 if drawn.ended else None}
    made = tx.insert(row(region, Kind.TRAINING_JOB, name, drawn.created, document=document, state=job.dump(), **status))
    tx.add_points(
        made.id,
        [
            MetricPoint(attempt=1, offset=place, host="algo-1", metric="m", value=value, at=BEGAN)
            for place, value in enumerate(drawn.values)
        ],
    )


def known(store: SqlStore, region: str) -> list[dict[str, Any]]:
    """All records, in the order in which they were written."""
    query = Query(account=ACCOUNT, region=region, kind=Kind.TRIAL_COMPONENT)
    with store.reading() as tx:
        rows = sorted(tx.select(query, None, 100).resources, key=lambda each: each.id)
        return [record(each, tx, 0.0) for each in rows]


def names(request: dict[str, Any], call: Call) -> list[str]:
    """What is found on all pages."""
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = search.search({**request, **token}, call)  # type: ignore[typeddict-item]
        found += [result["TrialComponent"]["TrialComponentName"] for result in answer["Results"]]
        if "NextToken" not in answer:
            return found
        token = {"NextToken": answer["NextToken"]}


@given(drawn=st.lists(DRAWN, max_size=7), requests=st.lists(REQUESTS, min_size=1, max_size=5))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_pages_are_those_of_the_oracle(store: SqlStore, drawn: list[Drawn], requests: list[dict[str, Any]]) -> None:
    region = f"region-{next(_regions)}"
    call = write(store, region, drawn)
    records = known(store, region)
    for request in requests:
        assert names(request, call) == [each["TrialComponentName"] for each in matching(records, request)]
