"""Lists of searches and of their training jobs: every order, every filter, pages that lose and repeat nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from jobs import children, new_name, register, tuning_ended
from pegbox.testing.requests import tuning_request
from running import RunningServer

REGION = "eu-west-1"  #: of these tests only

#: the first training job fails, the others have 1.0, 1.0 and 0.5
PROGRAM = """
import os
number = int(os.environ["TRAINING_JOB_NAME"].split("-")[-2])
if number == 1:
    raise SystemExit("no")
print(f"loss={1 if number < 4 else 0.5};")
"""


@pytest.fixture(scope="module")
def europe(server: RunningServer) -> Any:
    return server.client("sagemaker", region_name=REGION)


def create(client: Any, name: str, image: str = "any", jobs: int = 1) -> None:
    client.create_hyper_parameter_tuning_job(**tuning_request(name, image, "s3://kept/out", jobs=jobs, at_once=1))


@pytest.fixture(scope="module")
def searches(server: RunningServer, europe: Any, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Describe of searches in the order in which they were created: Failed, Completed, Failed, Stopped."""
    server.client("s3").create_bucket(Bucket="kept")
    image = register(server, tmp_path_factory.mktemp("program"), PROGRAM)
    patient = register(server, tmp_path_factory.mktemp("patient"), "import time\ntime.sleep(600)")
    names = [new_name(stem) for stem in ("Delta", "beta", "Alpha", "gamma")]
    for name, (program, jobs) in zip(names, [("any", 1), (image, 4), ("any", 1), (patient, 1)], strict=True):
        create(europe, name, program, jobs)
    europe.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=names[3])
    found = [tuning_ended(europe, name) for name in names]
    statuses = [each["HyperParameterTuningJobStatus"] for each in found]
    assert statuses == ["Failed", "Completed", "Failed", "Stopped"]
    return found


def listed(client: Any, size: int = 100, **query: Any) -> list[str]:
    """The names of the searches, in pages of a size."""
    pages = client.get_paginator("list_hyper_parameter_tuning_jobs").paginate(
        PaginationConfig={"PageSize": size}, **query
    )
    return [job["HyperParameterTuningJobName"] for page in pages for job in page["HyperParameterTuningJobSummaries"]]


def names_of(searches: list[dict[str, Any]]) -> list[str]:
    return [each["HyperParameterTuningJobName"] for each in searches]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("descending", [False, True], ids=["Ascending", "Descending"])
@pytest.mark.parametrize("sort", ["Name", "CreationTime", "Status"])
def test_searches_in_every_order(
    europe: Any, searches: list[dict[str, Any]], sort: str, descending: bool, size: int
) -> None:
    keys: dict[str, Callable[[dict[str, Any]], Any]] = {
        "Name": lambda each: each["HyperParameterTuningJobName"].lower(),
        "CreationTime": lambda each: each["CreationTime"],
        "Status": lambda each: each["HyperParameterTuningJobStatus"],
    }
    expected = names_of(sorted(searches, key=keys[sort]))  # equals in the order of creation
    if descending:
        expected.reverse()
    order = {"SortBy": sort, "SortOrder": "Descending" if descending else "Ascending"}
    assert [name for name in listed(europe, size, **order) if name in expected] == expected


def test_searches_by_every_filter(europe: Any, searches: list[dict[str, Any]]) -> None:
    first, second, third, last = names_of(searches)
    ours = {first, second, third, last}
    assert listed(europe, NameContains=third[:7].upper()) == [third]
    assert ours & {*listed(europe, StatusEquals="Failed")} == {first, third}
    assert listed(europe, StatusEquals="Stopped") == [last]
    for status in ("InProgress", "Stopping", "Deleting", "DeleteFailed"):
        assert not ours & {*listed(europe, StatusEquals=status)}
    for prefix, member in (("CreationTime", "CreationTime"), ("LastModifiedTime", "LastModifiedTime")):
        times = sorted((each[member], each["HyperParameterTuningJobName"]) for each in searches)
        middle = times[1][0] + (times[2][0] - times[1][0]) / 2
        assert ours & {*listed(europe, **{f"{prefix}After": middle})} == {name for _, name in times[2:]}
        assert ours & {*listed(europe, **{f"{prefix}Before": middle})} == {name for _, name in times[:2]}
    future = datetime(2100, 1, 1, tzinfo=UTC)
    assert listed(europe, CreationTimeAfter=future) == listed(europe, LastModifiedTimeAfter=future) == []


def test_a_list_tells_of_a_search_what_describe_tells(europe: Any, searches: list[dict[str, Any]]) -> None:
    shape = europe.meta.service_model.shape_for("HyperParameterTuningJobSummary")
    for found in searches:
        answer = europe.list_hyper_parameter_tuning_jobs(NameContains=found["HyperParameterTuningJobName"])
        (summary,) = answer["HyperParameterTuningJobSummaries"]
        config = found["HyperParameterTuningJobConfig"]
        told = {**found, "Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
        assert summary == {name: told[name] for name in shape.members}


def test_describe_tells_every_member_of_its_shape(europe: Any, searches: list[dict[str, Any]]) -> None:
    completed, failed = searches[1], searches[0]
    shape = europe.meta.service_model.shape_for("DescribeHyperParameterTuningJobResponse")
    asked_for = {"Autotune", "WarmStartConfig", "OverallBestTrainingJob", "TrainingJobDefinitions"}
    assert {*shape.members} - asked_for - {"FailureReason"} == {*completed} - {"ResponseMetadata"}
    assert failed["FailureReason"].startswith("All training jobs failed.")
    assert completed["TrainingJobStatusCounters"] == {
        "Completed": 3, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 1, "Stopped": 0,
    }  # fmt: skip
    assert completed["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 1}
    assert completed["TuningJobCompletionDetails"] == {"NumberOfTrainingJobsObjectiveNotImproving": 0}
    assert completed["ConsumedResources"]["RuntimeInSeconds"] >= 0
    assert completed["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Minimize", "MetricName": "loss", "Value": 0.5,
    }  # fmt: skip
    stopped = searches[3]
    assert stopped["TrainingJobStatusCounters"]["Completed"] == 0
    assert "BestTrainingJob" not in stopped and "BestTrainingJob" not in failed


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("sort", ["Name", "CreationTime", "Status", "FinalObjectiveMetricValue"])
def test_training_jobs_of_a_search_in_every_order(
    europe: Any, searches: list[dict[str, Any]], sort: str, order: str, size: int
) -> None:
    name = searches[1]["HyperParameterTuningJobName"]
    by_name = children(europe, name)
    keys: dict[str, Callable[[dict[str, Any]], Any]] = {
        "Name": lambda job: job["TrainingJobName"],
        "CreationTime": lambda job: job["CreationTime"],
        "Status": lambda job: job["TrainingJobStatus"],
        "FinalObjectiveMetricValue": lambda job: job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"],
    }
    expected = by_name if sort != "FinalObjectiveMetricValue" else by_name[1:]  # the first one has no value
    expected = sorted(expected, key=keys[sort])
    if order == "Descending":
        expected.reverse()
    found = children(europe, name, SortBy=sort, SortOrder=order, PaginationConfig={"PageSize": size})
    assert [job["TrainingJobName"] for job in found] == [job["TrainingJobName"] for job in expected]


def test_training_jobs_of_a_search_by_status(europe: Any, searches: list[dict[str, Any]]) -> None:
    name = searches[1]["HyperParameterTuningJobName"]
    every = [job["TrainingJobName"] for job in children(europe, name)]
    assert [job["TrainingJobName"] for job in children(europe, name, StatusEquals="Failed")] == every[:1]
    assert [job["TrainingJobName"] for job in children(europe, name, StatusEquals="Completed")] == every[1:]
    assert children(europe, name, StatusEquals="InProgress") == []


@pytest.fixture
def writer(server: RunningServer) -> Iterator[list[str]]:
    """The names of searches that another thread goes on creating."""
    created: list[str] = []
    client, ending = server.client("sagemaker", region_name=REGION), threading.Event()

    def write() -> None:
        while not ending.is_set() and len(created) < 40:
            name = new_name("writer")
            create(client, name)
            created.append(name)

    thread = threading.Thread(target=write)
    thread.start()
    yield created
    ending.set()
    thread.join()


@pytest.mark.parametrize("order", [("Name", "Ascending"), ("CreationTime", "Descending")], ids=str)
@pytest.mark.usefixtures("writer")
def test_pages_of_searches_lose_and_repeat_nothing_beside_a_writer(
    europe: Any, searches: list[dict[str, Any]], order: tuple[str, str]
) -> None:
    for _ in range(3):
        seen = listed(europe, 2, SortBy=order[0], SortOrder=order[1])
        assert len(seen) == len(set(seen))
        assert {*names_of(searches)} <= {*seen}


def test_pages_of_a_running_searchs_training_jobs_lose_and_repeat_nothing(europe: Any) -> None:
    name = new_name("running")
    create(europe, name, jobs=9)
    before: set[str] = set()
    while True:
        status = europe.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        found = children(europe, name, SortBy="CreationTime", PaginationConfig={"PageSize": 1})
        names = [job["TrainingJobName"] for job in found]
        assert len(names) == len(set(names)) and before <= {*names}
        assert all(one["CreationTime"] <= other["CreationTime"] for one, other in pairwise(found))
        before = {*names}
        if status["HyperParameterTuningJobStatus"] == "Failed":
            break
    assert len(before) == 9
