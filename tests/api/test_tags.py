"""Tags of jobs: added, replaced, listed, removed, and on what a tuning job launches later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import children, new_name, refusal, training_ended, tuning_ended
from pegbox.testing.requests import training_request, tuning_request
from running import wait_for

Tags = list[dict[str, str]]


def tags(**values: str) -> Tags:
    return [{"Key": key, "Value": value} for key, value in values.items()]


@pytest.fixture
def job(sagemaker: Any, here: str) -> str:
    """The ARN of a training job with one tag; it fails at once, which is all the same here."""
    request = training_request(new_name("Tagged"), "any", here, Tags=tags(team="vision"))
    found: str = sagemaker.create_training_job(**request)["TrainingJobArn"]
    return found


def test_tags_are_added_replaced_and_removed(sagemaker: Any, job: str) -> None:
    assert sagemaker.list_tags(ResourceArn=job)["Tags"] == tags(team="vision")
    added = sagemaker.add_tags(ResourceArn=job, Tags=tags(stage="prod", team="audio"))
    assert added["Tags"] == tags(team="audio", stage="prod")
    sagemaker.delete_tags(ResourceArn=job, TagKeys=["team", "nobody-knows"])
    answer = sagemaker.list_tags(ResourceArn=job, MaxResults=50)
    assert answer["Tags"] == tags(stage="prod")
    assert "NextToken" not in answer


def test_tags_do_not_hold_up_a_job(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    name = new_name("Busy")
    sagemaker.create_training_job(**training_request(name, image("import time; time.sleep(1)"), here))
    arn = sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobArn"]
    for number in range(20):
        sagemaker.add_tags(ResourceArn=arn, Tags=tags(number=str(number)))
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags(number="19")


def test_an_arn_is_found_in_any_case(sagemaker: Any, job: str) -> None:
    shouted = job.replace("/tagged-", "/TAGGED-")
    assert sagemaker.list_tags(ResourceArn=shouted)["Tags"] == tags(team="vision")


def test_tags_of_a_tuning_job_are_on_what_it_launches_later(
    sagemaker: Any, image: Callable[..., str], here: str, tmp_path: Path
) -> None:
    name = new_name("Tuned")
    wait = image(f"""
        import pathlib, time
        while not pathlib.Path("{tmp_path}/go").exists():
            time.sleep(0.05)
        print("loss=1;")
    """)
    first = tuning_request(name, wait, here, jobs=2, at_once=1) | {"Tags": tags(project="a")}
    arn = sagemaker.create_hyper_parameter_tuning_job(**first)["HyperParameterTuningJobArn"]
    wait_for("its first training job", lambda: children(sagemaker, name) or None)
    sagemaker.add_tags(ResourceArn=arn, Tags=tags(stage="later"))
    (tmp_path / "go").touch()
    tuning_ended(sagemaker, name)
    found = [
        {tag["Key"] for tag in sagemaker.list_tags(ResourceArn=child["TrainingJobArn"])["Tags"]}
        for child in sorted(children(sagemaker, name), key=lambda child: child["CreationTime"])
    ]
    assert found == [{"project"}, {"project", "stage"}]


def test_what_is_refused(sagemaker: Any, job: str) -> None:
    def refused(**request: Any) -> str:
        code, message = refusal(sagemaker.add_tags, **{"ResourceArn": job, "Tags": [], **request})
        assert code == "ValidationException"
        return message

    assert "reserved" in refused(Tags=tags(**{"aws:cloud": "x"}))
    assert "more than once" in refused(Tags=tags(a="1") + tags(a="2"))
    assert "would have 51 tags" in refused(Tags=tags(**{f"k{number}": "" for number in range(50)}))
    assert "Could not find" in refused(ResourceArn=job + "-not")
    assert "Could not find" in refused(ResourceArn=job.replace("000000000000", "111122223333"))
    assert "Could not find" in refused(ResourceArn=job.replace("training-job", "processing-job"))
    assert "pattern" in refused(ResourceArn="not an arn")
    code, message = refusal(sagemaker.list_tags, ResourceArn=job, NextToken="x")
    assert (code, "NextToken is not valid" in message) == ("ValidationException", True)
    assert sagemaker.list_tags(ResourceArn=job)["Tags"] == tags(team="vision")
