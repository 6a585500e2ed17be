"""The values of a record by the names that Search has for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pegbox.client.properties import columns, value_of

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
JOB: dict[str, Any] = {
    "TrainingJobName": "a",
    "HyperParameters": {"eta": "0.1", "deep.er": "yes"},
    "FinalMetricDataList": [{"MetricName": "validation:auc", "Value": 0.9, "Timestamp": AT}],
    "Tags": [{"Key": "my.Project", "Value": "x"}],
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://a"}}},
        {"ChannelName": "test", "DataSource": {"S3DataSource": {"S3Uri": "s3://b"}}},
    ],
    "ResourceConfig": {"InstanceCount": 2},
    "EnableNetworkIsolation": False,
    "CreationTime": AT,
}


@pytest.mark.parametrize(
    "name, value",
    [
        ("TrainingJobName", "a"),
        ("HyperParameters.eta", "0.1"),
        ("hyperparameters.deep.er", "yes"),
        ("Metrics.validation:auc", 0.9),
        ("Tags.my.Project", "x"),
        ("InputDataConfig.DataSource.S3DataSource.S3Uri", ["s3://a", "s3://b"]),
        ("ResourceConfig.InstanceCount", 2),
        ("EnableNetworkIsolation", False),
        ("Metrics.other", None),
        ("TrainingJobName.more", None),
        ("Nothing.at.all", None),
    ],
)
def test_values(name: str, value: Any) -> None:
    assert value_of(JOB, name) == value


def test_columns_have_the_kinds_of_their_values() -> None:
    other = {"TrainingJobName": "b", "HyperParameters": {"eta": "1"}, "FinalMetricDataList": []}
    names = ["TrainingJobName", "HyperParameters.*", "Metrics.*", "InputDataConfig.ChannelName", "CreationTime", "Tags"]
    found = {each.name: (each.kind, list(each.values)) for each in columns([JOB, other], names)}
    assert found == {
        "TrainingJobName": ("text", ["a", "b"]),
        "HyperParameters.deep.er": ("text", ["yes", None]),
        "HyperParameters.eta": ("number", [0.1, 1.0]),
        "Metrics.validation:auc": ("number", [0.9, None]),
        "InputDataConfig.ChannelName": ("text", ["train, test", None]),
        "CreationTime": ("time", [AT, None]),
        "Tags": ("text", ["my.Project=x", None]),
    }


def test_metrics_and_parameters_of_trial_components_have_the_names_that_search_knows() -> None:
    summary = {"MetricName": "val:loss.x", "SourceArn": "arn", "Min": 0.5, "Max": 2.0}
    record = {
        "TrialComponentName": "a",
        "Metrics": [summary, {**summary, "MetricName": "auc"}],
        "Parameters": {"eta": {"NumberValue": 0.1}},
    }
    assert value_of(record, "Metrics.val:loss.x.Min") == value_of(record, "metrics.auc.min") == 0.5
    assert value_of(record, "Parameters.eta") == 0.1
    assert [each.name for each in columns([record], ["Metrics.*", "Parameters.*"])] == [
        "Metrics.auc.Max",
        "Metrics.auc.Min",
        "Metrics.val:loss.x.Max",
        "Metrics.val:loss.x.Min",
        "Parameters.eta",
    ]


def test_all_members_of_a_lists_elements_are_columns() -> None:
    found = {each.name: list(each.values) for each in columns([JOB], ["InputDataConfig.*"])}
    assert found == {
        "InputDataConfig.ChannelName": ["train, test"],
        "InputDataConfig.DataSource.S3DataSource.S3Uri": ["s3://a, s3://b"],
    }
    deeper = columns([JOB], ["InputDataConfig.DataSource.*"])
    assert [each.name for each in deeper] == ["InputDataConfig.DataSource.S3DataSource.S3Uri"]


def test_what_lies_deeper_is_what_it_is() -> None:
    """Only a record's own tags and metrics are lists of names with values."""
    assert value_of({"Rules": [{"Metrics": 1.5}, {"Tags": ["a"]}]}, "Rules.Metrics") == [1.5]
