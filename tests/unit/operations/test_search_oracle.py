"""Search against an oracle that looks at every record: documents, expressions, orders and pages are drawn at random."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pegbox.domain.training import Outcome, TrainingJob
from pegbox.operations import search
from pegbox.operations.call import Call
from pegbox.operations.records import record
from pegbox.store import columns, index, planner, transaction
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in
from pegbox.testing.requests import channel
from pegbox.testing.search_oracle import matching

ACCOUNT = "000000000000"
BEGAN = 1_700_000_000.0

_regions = itertools.count()


@pytest.fixture(scope="module")
def store(database: Callable[[], dict[str, str]]) -> Iterator[SqlStore]:
    store = SqlStore(database()["PEGBOX_DATABASE_URL"])
    yield store
    store.close()


@pytest.fixture(params=["all at once", "in small pieces", "in columns", "of many texts"], autouse=True)
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few resources take every way of the planner."""
    if request.param == "of many texts":
        monkeypatch.setattr("pegbox.store.column.MOST_TEXTS", 1)
    if request.param in ("in columns", "of many texts"):
        monkeypatch.setattr(columns, "COMPUTED", 1 << 60)
        monkeypatch.setattr(columns, "READ", 1 << 60)
        monkeypatch.setattr(index, "MOST_NOTED", 3)
    if request.param != "all at once":
        monkeypatch.setattr(planner, "FEW", 1)
        monkeypatch.setattr(planner, "PIECE", 1)
        monkeypatch.setattr(planner, "GROWTH", 2)
        monkeypatch.setattr(planner, "MANY", 5)


@dataclass(frozen=True)
class Drawn:
    """What there is of a job."""

    document: Mapping[str, Any]
    job: TrainingJob
    created: float


NUMBERS = st.sampled_from(["0", "1", "-1", "1.0", "1.7", "-0.5", "0.5", "2", "1e-3", "+3", ".5", "2.", "1e400"])
WORDS = st.sampled_from(
    ["adam", "Adam", "sgd", "nan", "1 2", "ÄDAM", "ädam", "adam_long_" + "x" * 250, "y" * 256, "y" * 300]
)
TEXTS = st.one_of(NUMBERS, WORDS)
METRICS = st.sampled_from([0.0, -1.5, 0.9, 0.25, 1e300, -1e-300, 3.0])
URIS = st.sampled_from(["s3://cats/data", "s3://cats/Data/more", "s3://dogs/data"])


@st.composite
def jobs(draw: st.DrawFn) -> Drawn:
    hyperparameters = draw(st.dictionaries(st.sampled_from(["eta", "opt", "a.b:c"]), TEXTS))
    metrics = draw(st.dictionaries(st.sampled_from(["auc", "train:loss"]), METRICS))
    tags = draw(st.dictionaries(st.sampled_from(["Project", "a.b/c:d"]), st.sampled_from(["x", "y", "", "1"])))
    channels = draw(st.lists(st.tuples(st.sampled_from(["train", "test"]), URIS, st.booleans()), max_size=3))
    ended = draw(st.booleans())
    document = {
        "AlgorithmSpecification": {
            "TrainingImage": draw(WORDS),
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": "x"} for name in metrics],
        },
        "HyperParameters": hyperparameters,
        "Environment": draw(st.dictionaries(st.just("COLOUR"), TEXTS)),
        "InputDataConfig": [
            channel(name, uri) | ({"ContentType": "text/csv"} if typed else {}) for name, uri, typed in channels
        ],
        "EnableManagedSpotTraining": draw(st.booleans()),
        "StoppingCondition": {"MaxRuntimeInSeconds": draw(st.sampled_from([1, 60, 86400]))},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    started = BEGAN + draw(st.sampled_from([0.0, 0.2504, 1.0, 60.0]))
    job = TrainingJob(
        status="Completed" if ended else "InProgress",
        secondary="Completed" if ended else "Training",
        outcome=Outcome.COMPLETED if ended else None,
        latest={name: (value, started) for name, value in metrics.items()},
        started=started,
        ended=started + 5.0 if ended else None,
    )
    return Drawn(document, job, BEGAN + draw(st.sampled_from([0.0, 0.0006, 1.5, 30.0])))


TIMES = st.sampled_from(
    ["2023-11-14T22:13:20", "2023-11-14T22:13:20.25", "2023-11-14T22:13:21Z", "2023-11-14T22:14:20"]
)
EQUALITY = ["Equals", "NotEquals"]
ORDER = ["GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"]


def compared(names: list[str], operators: list[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"Name": st.sampled_from(names), "Operator": st.sampled_from(operators), "Value": values}
    )


LISTED = ["InputDataConfig.ChannelName", "InputDataConfig.ContentType", "InputDataConfig.DataSource.S3DataSource.S3Uri"]
HYPERPARAMETERS = ["HyperParameters.eta", "HyperParameters.opt", "hyperparameters.a.b:c", "HyperParameters.none"]
TEXTUAL = [
    "Tags.Project",
    "Tags.a.b/c:d",
    "Environment.COLOUR",
    "AlgorithmSpecification.TrainingImage",
    "TrainingJobName",
]
NUMERIC = ["Metrics.auc", "Metrics.train:loss", "StoppingCondition.MaxRuntimeInSeconds", "TrainingTimeInSeconds"]
TIMED = ["CreationTime", "TrainingStartTime", "TrainingEndTime"]
ANY = [*HYPERPARAMETERS, *TEXTUAL, *NUMERIC, *TIMED, *LISTED, "EnableManagedSpotTraining", "TrainingJobStatus"]
IN_LIST = compared(
    LISTED, [*EQUALITY, "Contains", "In"], st.one_of(URIS, st.sampled_from(["train", "test", "DATA", "text/csv,x"]))
)
PLAIN_NUMBERS = NUMBERS.filter(lambda text: text != "1e400")
FILTERS = st.one_of(
    compared(HYPERPARAMETERS, [*EQUALITY, "Contains", "In"], TEXTS),
    compared(HYPERPARAMETERS, ORDER, PLAIN_NUMBERS),
    compared(HYPERPARAMETERS, ["In"], st.just("adam, 1.0 ,sgd")),
    compared(TEXTUAL, [*EQUALITY, "Contains", "In"], TEXTS.filter(bool)),
    compared(NUMERIC, [*EQUALITY, *ORDER], st.one_of(PLAIN_NUMBERS, METRICS.map(repr))),
    compared(TIMED, [*EQUALITY, *ORDER], TIMES),
    compared(["EnableManagedSpotTraining"], EQUALITY, st.sampled_from(["true", "false", "True"])),
    compared(["TrainingJobStatus"], ["In"], st.sampled_from(["Completed,Stopped", "InProgress"])),
    st.fixed_dictionaries({"Name": st.sampled_from(ANY), "Operator": st.sampled_from(["Exists", "NotExists"])}),
    st.fixed_dictionaries({"Name": st.sampled_from(ANY)}),
    IN_LIST,
)
EXISTENCE = st.fixed_dictionaries(
    {"Name": st.sampled_from(LISTED), "Operator": st.sampled_from(["Exists", "NotExists"])}
)
NESTED = st.fixed_dictionaries(
    {
        "NestedPropertyName": st.just("InputDataConfig"),
        "Filters": st.lists(st.one_of(IN_LIST, EXISTENCE), min_size=1, max_size=3),
    }
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


EXPRESSIONS = expressions(expressions(expressions()))
REQUESTS = st.fixed_dictionaries(
    {"Resource": st.just("TrainingJob"), "MaxResults": st.integers(1, 4)},
    optional={
        "SearchExpression": EXPRESSIONS,
        "SortBy": st.sampled_from(ANY),
        "SortOrder": st.sampled_from(["Ascending", "Descending"]),
        "VisibilityConditions": st.lists(
            st.fixed_dictionaries({"Key": st.just("Tags.Project"), "Value": st.sampled_from(["x", "y"])}),
            min_size=1,
            max_size=2,
        ),
    },
)
SHORT = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def write(store: SqlStore, region: str, drawn: list[Drawn], first: int = 0) -> list[Resource]:
    with store.transaction(lasting=False) as tx:
        return [
            tx.insert(
                Resource(
                    account=ACCOUNT,
                    region=region,
                    kind=Kind.TRAINING_JOB,
                    name=f"Job-{number}",
                    status=each.job.status,
                    created_at=each.created,
                    modified_at=each.created,
                    document=each.document,
                    state=each.job.dump(),
                )
            )
            for number, each in enumerate(drawn, first)
        ]


def records(store: SqlStore, rows: list[Resource]) -> list[dict[str, Any]]:
    with store.reading() as tx:
        return [record(row, tx, 0.0) for row in rows]


def pages(request: dict[str, Any], call: Call) -> Iterator[Mapping[str, Any]]:
    token: dict[str, str] = {}
    while True:
        answer = search.search({**request, **token}, call)  # type: ignore[typeddict-item]
        yield answer
        if "NextToken" not in answer:
            return
        token = {"NextToken": answer["NextToken"]}


def names(found: Iterator[Mapping[str, Any]] | list[Mapping[str, Any]]) -> list[str]:
    return [result["TrainingJob"]["TrainingJobName"] for page in found for result in page["Results"]]


@given(drawn=st.lists(jobs(), max_size=8), requests=st.lists(REQUESTS, min_size=1, max_size=6))
@SHORT
def test_pages_are_those_of_the_oracle(store: SqlStore, drawn: list[Drawn], requests: list[dict[str, Any]]) -> None:
    region = f"region-{next(_regions)}"
    known = records(store, write(store, region, drawn))
    for request in requests:
        expected = [each["TrainingJobName"] for each in matching(known, request)]
        found = list(pages(request, call_in(store, ACCOUNT, region)))
        assert names(found) == expected
        sizes = [len(page["Results"]) for page in found]
        assert all(size == request["MaxResults"] for size in sizes[:-1])
        for page in found:
            total = page["TotalHits"]
            is_exact = total["Relation"] == "EqualTo"
            assert total["Value"] == len(expected) if is_exact else total["Value"] <= len(expected)


def test_pages_of_large_jobs_are_short(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a hundred jobs of 300 kB would be read, shown and sent at once."""
    region = f"region-{next(_regions)}"
    texts = ["a", "b" * 3000, "c" * 9000, "d", "e", "f", "g" * 3000]
    drawn = [Drawn({**_simple(), "HyperParameters": {"eta": text}}, TrainingJob(), BEGAN) for text in texts]
    known = records(store, write(store, region, drawn))
    monkeypatch.setattr(transaction, "LONGEST_PAGE", 4500)
    for changes in (
        {},
        {"SortBy": "HyperParameters.eta"},
        {"SearchExpression": {"Filters": [{"Name": "CreationTime"}]}},
    ):
        request = {"Resource": "TrainingJob", "MaxResults": 5, "SortOrder": "Ascending", **changes}
        found = list(pages(request, call_in(store, ACCOUNT, region)))
        assert names(found) == [each["TrainingJobName"] for each in matching(known, request)]
        assert [len(page["Results"]) for page in found if "c" * 9000 in str(page)] == [1]
        assert len(found) in (3, 4, 5)


def test_lists_may_be_as_long_as_a_request_has_room_for(store: SqlStore) -> None:
    """The most values of the most filters: 512 of 20, since a value has 1,024 characters."""
    region = f"region-{next(_regions)}"
    texts = ["5", "5.0", "\u4e07", "\u5000", "y" * 256, "y" * 300, "z", "1e400"]
    drawn = [Drawn({**_simple(), "HyperParameters": {"eta": text}}, TrainingJob(), BEGAN) for text in texts]
    known = records(store, write(store, region, drawn))
    name = "HyperParameters.eta"
    lists = [",".join(chr(0x4E00 + 512 * number + each) for each in range(512)) for number in range(18)]
    lists += [",".join(["1e400", "5", *(str(1000 + each) for each in range(200))]), f"{'y' * 256}, {'y' * 300},-"]
    filters = [{"Name": name, "Operator": "In", "Value": each[:1024]} for each in lists]
    nested = [{**each, "Name": "ChannelName"} for each in filters]
    for expression in (
        {"Filters": filters, "Operator": "Or"},
        {"Filters": filters},
        {"SubExpressions": [{"Filters": filters[:15], "Operator": "Or"} for _ in range(3)]},
        {"Filters": filters[-2:], "Operator": "Or"},
        {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": nested}]},
    ):
        request = {"Resource": "TrainingJob", "SearchExpression": expression, "MaxResults": 3}
        found = names(pages(request, call_in(store, ACCOUNT, region)))
        assert found == [each["TrainingJobName"] for each in matching(known, request)]


def _simple() -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
        "InputDataConfig": [channel("train", "s3://cats/data")],
    }


@given(drawn=st.lists(jobs(), min_size=4, max_size=8), later=st.lists(jobs(), min_size=1, max_size=4), request=REQUESTS)
@settings(SHORT, max_examples=25)
def test_pages_lose_and_repeat_nothing_while_jobs_arrive(
    store: SqlStore, drawn: list[Drawn], later: list[Drawn], request: dict[str, Any]
) -> None:
    region = f"region-{next(_regions)}"
    rows = write(store, region, drawn)
    writer = threading.Thread(target=write, args=(store, region, later, len(drawn)))
    found = []
    for page in pages(request, call_in(store, ACCOUNT, region)):
        found.append(page)
        if writer.ident is None:
            writer.start()
    writer.join()
    there = [each["TrainingJobName"] for each in matching(records(store, rows), request)]
    seen = names(found)
    assert len(seen) == len(set(seen))
    assert [name for name in seen if name in set(there)] == there
