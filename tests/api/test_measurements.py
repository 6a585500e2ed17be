"""BatchPutMetrics and BatchGetMetrics through boto3."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import boto3
import pytest
from botocore.config import Config

from jobs import new_name, refusal, refusal_of, training_ended
from pegbox.testing.requests import training_request
from running import RunningServer


@pytest.fixture(scope="session")
def metrics(server: RunningServer) -> Any:
    return server.client("sagemaker-metrics")


@pytest.fixture
def component(sagemaker: Any) -> str:
    name = new_name("run")
    sagemaker.create_trial_component(TrialComponentName=name)
    return name


def data(name: str, value: float, at: float, step: int | None = None) -> dict[str, Any]:
    """A value as the SDK sends it: the time is text."""
    return {"MetricName": name, "Value": value, "Timestamp": str(int(at))} | ({} if step is None else {"Step": step})


def curve(metrics: Any, arn: str, metric: str, **more: Any) -> tuple[Sequence[int], Sequence[float]]:
    query = {
        "MetricName": metric,
        "ResourceArn": arn,
        "MetricStat": "Last",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    }
    (result,) = metrics.batch_get_metrics(MetricQueries=[query | more])["MetricQueryResults"]
    assert result["Status"] == "Complete"
    return result["XAxisValues"], result["MetricValues"]


def test_metrics_are_summed_up(sagemaker: Any, metrics: Any, component: str) -> None:
    now = time.time()
    put = [data("loss", value, now + step, step) for step, value in enumerate((4.0, 1.0, 3.0))]
    answer = metrics.batch_put_metrics(TrialComponentName=component, MetricData=[*put, data("auc", 0.5, now)])
    assert "Errors" not in answer
    metrics.batch_put_metrics(TrialComponentName=component, MetricData=[data("loss", 2.0, now - 60)])  # came late
    told = sagemaker.describe_trial_component(TrialComponentName=component)
    auc, loss = told["Metrics"]
    assert (auc["MetricName"], auc["Last"], auc["Count"], auc["StdDev"]) == ("auc", 0.5, 1, 0.0)
    assert loss["TimeStamp"].timestamp() == int(now + 2)
    assert loss["SourceArn"] == told["TrialComponentArn"]
    assert (loss["Max"], loss["Min"], loss["Last"], loss["Count"], loss["Avg"]) == (4.0, 1.0, 3.0, 4, 2.5)
    assert loss["StdDev"] == pytest.approx(1.25**0.5)


def test_metrics_are_found_by_the_next_search(sagemaker: Any, metrics: Any) -> None:
    names = [new_name("run") for _ in range(3)]
    label = new_name("label")
    for number, name in enumerate(names):
        sagemaker.create_trial_component(TrialComponentName=name, Tags=[{"Key": "label", "Value": label}])
        values = [data("val:auc", value, time.time()) for value in (0.1, 0.5 + number / 10)]
        metrics.batch_put_metrics(TrialComponentName=name, MetricData=values)

    def ranked() -> list[str]:
        answer = sagemaker.search(
            Resource="ExperimentTrialComponent",
            SearchExpression={"Filters": [{"Name": "Tags.label", "Value": label}]},
            SortBy="metrics.val:auc.max",  # as the SDK's documentation spells it
            SortOrder="Descending",
        )
        return [result["TrialComponent"]["TrialComponentName"] for result in answer["Results"]]

    assert ranked() == names[::-1]
    metrics.batch_put_metrics(TrialComponentName=names[0], MetricData=[data("val:auc", 0.9, time.time())])
    assert ranked() == [names[0], names[2], names[1]]


def test_a_curve_by_step(sagemaker: Any, metrics: Any, component: str) -> None:
    now = time.time()
    values = [(0, 1.0), (1, 2.0), (1, 4.0), (2, 8.0), (None, 9.0)]
    put = [data("m", value, now, step) for step, value in values]
    metrics.batch_put_metrics(TrialComponentName=component, MetricData=put)
    arn = sagemaker.describe_trial_component(TrialComponentName=component)["TrialComponentArn"]
    assert curve(metrics, arn, "m") == ([0, 1, 2], [1.0, 4.0, 8.0])
    assert curve(metrics, arn, "m", MetricStat="Avg", Start=1, End=1) == ([1], [3.0])
    assert curve(metrics, arn, "m", MetricStat="Min") == ([0, 1, 2], [1.0, 2.0, 8.0])
    assert curve(metrics, arn, "m", MetricStat="Max") == ([0, 1, 2], [1.0, 4.0, 8.0])
    assert curve(metrics, arn, "m", MetricStat="Count") == ([0, 1, 2], [1.0, 2.0, 1.0])
    assert curve(metrics, arn, "m", MetricStat="StdDev") == ([0, 1, 2], [0.0, 1.0, 0.0])
    assert curve(metrics, arn, "nobody-knows") == ([], [])


def test_a_curve_by_time(sagemaker: Any, metrics: Any, component: str) -> None:
    hour = int(time.time()) // 3600 * 3600 - 3600
    put = [data("m", float(number), hour + at) for number, at in enumerate((0, 59, 60, 301))]
    metrics.batch_put_metrics(TrialComponentName=component, MetricData=put)
    arn = sagemaker.describe_trial_component(TrialComponentName=component)["TrialComponentArn"]

    def by(period: str, **more: Any) -> tuple[Sequence[int], Sequence[float]]:
        return curve(metrics, arn, "m", Period=period, XAxisType="Timestamp", MetricStat="Avg", **more)

    assert by("OneMinute") == ([hour, hour + 60, hour + 300], [0.5, 2.0, 3.0])
    assert by("FiveMinute") == ([hour, hour + 300], [1.0, 3.0])
    assert by("OneHour") == ([hour], [1.5])
    assert by("OneMinute", Start=hour + 60, End=hour + 300) == ([hour + 60], [2.0])


def test_a_curve_of_a_training_job(sagemaker: Any, metrics: Any, image: Callable[..., str], here: str) -> None:
    request = training_request(new_name("job"), image("for value in (3, 1, 2): print(f'loss={value};')"), here)
    request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=(.*?);"}]
    arn = sagemaker.create_training_job(**request)["TrainingJobArn"]
    name = request["TrainingJobName"]
    training_ended(sagemaker, name)
    assert curve(metrics, arn, "loss") == ([0, 1, 2], [3.0, 1.0, 2.0])
    told = sagemaker.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")
    assert curve(metrics, told["TrialComponentArn"], "loss") == ([0, 1, 2], [3.0, 1.0, 2.0])
    metrics.batch_put_metrics(
        TrialComponentName=told["TrialComponentName"].lower(), MetricData=[data("own", 1.0, time.time())]
    )
    told = sagemaker.describe_trial_component(TrialComponentName=told["TrialComponentName"])
    assert [each["MetricName"] for each in told["Metrics"]] == ["loss", "own"]


def test_what_is_not_taken_is_told_one_by_one(sagemaker: Any, metrics: Any, component: str) -> None:
    now = time.time()
    put = [data("m", 1.0, now - 15 * 86400), data("m", 2.0, now), data("m", 3.0, now + 3 * 3600)]
    answer = metrics.batch_put_metrics(TrialComponentName=component, MetricData=put)
    assert answer["Errors"] == [
        {"Code": "VALIDATION_ERROR", "MetricIndex": 0},
        {"Code": "VALIDATION_ERROR", "MetricIndex": 2},
    ]
    (metric,) = sagemaker.describe_trial_component(TrialComponentName=component)["Metrics"]
    assert (metric["Count"], metric["Last"]) == (1, 2.0)


def test_what_is_refused(server: RunningServer, metrics: Any, component: str) -> None:
    put = [data("m", 1.0, time.time())]
    code, message = refusal(metrics.batch_put_metrics, TrialComponentName="nobody-knows", MetricData=put)
    assert (code, message) == ("ValidationException", "Trial component 'nobody-knows' does not exist.")
    code, message = refusal(metrics.batch_put_metrics, TrialComponentName=component, MetricData=put * 1001)
    assert code == "ValidationException" and "'metricData'" in message
    code, message = refusal(metrics.batch_put_metrics, TrialComponentName="Capitals", MetricData=put)
    assert code == "ValidationException" and "regular expression" in message
    unchecked = server.client("sagemaker-metrics", config=Config(parameter_validation=False))
    assert refusal_of(unchecked, "BatchPutMetrics", b"{")[0] == "SerializationException"


def test_what_is_refused_of_a_query(sagemaker: Any, metrics: Any, component: str) -> None:
    arn = sagemaker.describe_trial_component(TrialComponentName=component)["TrialComponentArn"]
    query = {"MetricName": "m", "MetricStat": "Last", "XAxisType": "Timestamp"}
    queries = [
        {**query, "ResourceArn": arn, "Period": "IterationNumber"},
        {**query, "ResourceArn": arn + "x", "Period": "OneHour"},
        {**query, "ResourceArn": arn, "Period": "OneHour"},
    ]
    results = metrics.batch_get_metrics(MetricQueries=queries)["MetricQueryResults"]
    assert [result["Status"] for result in results] == ["ValidationError", "ValidationError", "Complete"]
    assert "IterationNumber" in results[0]["Message"] and arn in results[1]["Message"]
    assert results[2] == {"Status": "Complete", "XAxisValues": [], "MetricValues": []}


def test_one_endpoint_url_is_enough(server: RunningServer, component: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    client = boto3.client("sagemaker-metrics", region_name="us-east-1", **server.credentials())
    assert client.meta.endpoint_url == server.url
    answer = client.batch_put_metrics(TrialComponentName=component, MetricData=[data("m", 1.0, time.time())])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_wrong_key_is_refused(server: RunningServer, component: str) -> None:
    client = server.client("sagemaker-metrics", aws_secret_access_key="wrong")
    put = [data("m", 1.0, time.time())]
    code, _ = refusal(client.batch_put_metrics, TrialComponentName=component, MetricData=put)
    assert code == "InvalidSignatureException"
