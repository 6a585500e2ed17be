"""pegbox explain, on tuning jobs that ran."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from command_line import Done, run
from jobs import new_name, register, tuning_ended
from pegbox.client import following
from pegbox.testing.requests import tuning_request
from running import RunningServer

PROGRAM = """
import argparse, sys

parser = argparse.ArgumentParser()
for name in ("x", "depth", "kind", "idle"):
    parser.add_argument(f"--{name}")
given = parser.parse_args()
if float(given.x) > 0.9:
    sys.exit("too far")
print(f"loss: {(float(given.x) - 0.3) ** 2 + 0.01 * int(given.depth) + 0.1 * (given.kind == 'plain')}")
"""
REQUEST = """
command: python -S train.py
minimize: loss
parameters:
  x: [0.0, 1.0]
  depth: [1, 4]
  kind: [plain, better]
  idle: [0.0, 5.0]
budget: {jobs: 18, parallel: 3}
seed: 3
"""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A finished search."""

    name: str
    home: str
    jobs: list[Mapping[str, Any]]

    def explain(self, *arguments: str) -> Done:
        return run("explain", *arguments, "--home", self.home)


@pytest.fixture(scope="module")
def tuned(server: RunningServer, sagemaker: Any, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    folder = tmp_path_factory.mktemp("explained")
    (folder / "train.py").write_text(PROGRAM)
    (folder / "request.yaml").write_text(REQUEST)
    name = new_name("explained")
    said = run("tune", folder / "request.yaml", "--name", name, "--home", server.home)
    assert said.code == 0, said
    return Tuned(name, str(server.home), list(following.training_jobs(sagemaker, name)))


def rows(text: str, head: str) -> list[list[str]]:
    """Of the table with this head."""
    lines = text.splitlines()
    (begin,) = [place for place, line in enumerate(lines) if line.startswith(head)]
    end = next((place for place in range(begin, len(lines)) if not lines[place]), len(lines))
    return [line.split() for line in lines[begin + 1 : end]]  # a value of several words is several


def test_what_matters_comes_first(tuned: Tuned) -> None:
    said = tuned.explain(tuned.name)
    assert said.code == 0, said
    assert said.out.startswith("minimize    loss\nmodel       ")
    shares = rows(said.out, "HYPERPARAMETER  ALONE  WITH OTHERS  BEST SO FAR")
    assert {row[0] for row in shares[:2]} == {"x", "kind"}
    assert {row[0] for row in shares[2:]} == {"depth", "idle"}
    reasons = rows(said.out, "TRAINING JOB")
    assert [row[0] for row in reasons] == [job["TrainingJobName"] for job in tuned.jobs[-5:]]
    assert {row[1] for row in reasons} <= {"explore", "exploit"}


def test_it_is_json_too(tuned: Tuned) -> None:
    said = tuned.explain(tuned.name, "--json", "-p", "kind", "--jobs", "18")
    found = json.loads(said.out)
    (search,) = found["searches"]
    ended = [job for job in tuned.jobs if job["TrainingJobStatus"] == "Completed"]
    assert (found["tuning_job"], search["metric"], search["goal"]) == (tuned.name, "loss", "minimize")
    assert search["importance"]["results"] == len(ended)
    plain, better = (place["average"]["median"] for place in search["view"]["places"])
    assert [place["values"] for place in search["view"]["places"]] == [{"kind": "plain"}, {"kind": "better"}]
    assert better < plain
    reasons = search["reasons"]
    assert [reason["training_job"] for reason in reasons] == [job["TrainingJobName"] for job in tuned.jobs]
    assert [reason["kind"] for reason in reasons[:4]] == ["initial"] * 4
    assert reasons[0]["results"] == 0
    assert all(one["results"] <= other["results"] for one, other in pairwise(reasons))


def test_the_view_along_one_and_over_two(tuned: Tuned) -> None:
    along = rows(tuned.explain(tuned.name, "-p", "x", "--places", "5").out, "x     ON AVERAGE")
    assert [row[0] for row in along] == ["0.0", "0.25", "0.5", "0.75", "1.0"]
    assert float(along[1][1]) < float(along[3][1])
    over = rows(tuned.explain(tuned.name, "-p", "depth", "-p", "kind").out, "depth  plain")
    assert [row[0] for row in over] == ["1", "2", "3", "4"]
    assert all(float(better) < float(plain) for _, plain, better in over)


def test_a_training_job_has_its_reason(tuned: Tuned) -> None:
    first, last = tuned.jobs[0]["TrainingJobName"], tuned.jobs[-1]["TrainingJobName"]
    said = tuned.explain(first)
    assert said.out.startswith(f"{first} initial: one of the first, which look at the whole space evenly\n")
    said = tuned.explain(last)
    assert said.out.splitlines()[1].startswith("expected    loss ")
    found = json.loads(tuned.explain(last, "--json").out)
    assert found["training_job"] == last
    assert found["predicted"]["low"] <= found["predicted"]["median"] <= found["predicted"]["high"]


def test_a_training_job_is_told_with_what_the_model_believed_then(tuned: Tuned) -> None:
    last = tuned.jobs[-1]["TrainingJobName"]
    along = rows(tuned.explain(last, "-p", "x", "--places", "5").out, "x     ON AVERAGE")
    assert [row[0] for row in along] == ["0.0", "0.25", "0.5", "0.75", "1.0"]
    early, late = (
        json.loads(tuned.explain(tuned.jobs[number]["TrainingJobName"], "-p", "kind", "--json").out)
        for number in (-8, -1)
    )
    assert early["view"]["names"] == late["view"]["names"] == ["kind"]
    assert early["view"]["places"] != late["view"]["places"]
    assert json.loads(tuned.explain(last, "--json").out)["view"] is None
    first = tuned.jobs[0]["TrainingJobName"]
    said = tuned.explain(first, "-p", "x")
    assert (said.code, said.err) == (
        1,
        f"pegbox: when {first} was launched: a model needs 3 results, and there are 0\n",
    )
    said = tuned.explain(last, "-p", "y")
    assert (said.code, "y is none of the hyperparameters that vary" in said.err) == (1, True)


def test_several_definitions_and_parents(
    server: RunningServer, sagemaker: Any, bucket: str, tmp_path: Path, tuned: Tuned
) -> None:
    program = """
        import json, os
        print(f"loss={float(json.loads(os.environ['SM_HPS'])['x']) ** 2};")
    """
    image = register(server, tmp_path, program)
    request = tuning_request(new_name("parent"), image, f"s3://{bucket}/output", 4, 4)
    config = request["HyperParameterTuningJobConfig"]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    parent = tuning_ended(sagemaker, request["HyperParameterTuningJobName"])["HyperParameterTuningJobName"]
    said = tuned.explain(parent)
    assert {row[1] for row in rows(said.out, "TRAINING JOB")} == {"unguided"}
    warm = {"ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}]}
    child = {**request, "HyperParameterTuningJobName": new_name("child")}
    child["WarmStartConfig"] = {**warm, "WarmStartType": "IdenticalDataAndAlgorithm"}
    child["HyperParameterTuningJobConfig"] = {
        **config,
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
    }
    sagemaker.create_hyper_parameter_tuning_job(**child)
    tuning_ended(sagemaker, child["HyperParameterTuningJobName"])
    (search,) = json.loads(tuned.explain(child["HyperParameterTuningJobName"], "--json").out)["searches"]
    assert search["importance"]["results"] == 6
    config = {**config}
    objective, ranges = config.pop("HyperParameterTuningJobObjective"), config.pop("ParameterRanges")
    several = {**request, "HyperParameterTuningJobName": new_name("two"), "HyperParameterTuningJobConfig": config}
    definition = several.pop("TrainingJobDefinition")
    config["ResourceLimits"] = {"MaxNumberOfTrainingJobs": 8, "MaxParallelTrainingJobs": 4}
    several["TrainingJobDefinitions"] = [
        {**definition, "DefinitionName": name, "TuningObjective": objective, "HyperParameterRanges": ranges}
        for name in ("one", "other")
    ]
    sagemaker.create_hyper_parameter_tuning_job(**several)
    tuning_ended(sagemaker, several["HyperParameterTuningJobName"])
    said = tuned.explain(several["HyperParameterTuningJobName"])
    assert [line for line in said.out.splitlines() if line.startswith("definition")] == [
        "definition  one",
        "definition  other",
    ]


def test_what_was_stopped_early_is_known_to_explanations_too(
    server: RunningServer, sagemaker: Any, tmp_path: Path, tuned: Tuned
) -> None:
    """By the curves: which place would be stopped, and what those that were stopped would have reached."""
    program = """
import sys, time
x = float(sys.argv[2])
print("loss: 1", flush=True)  # those with x > 0.8 are worse from the second value on than the others have been so far
for epoch in range(2, 7):
    time.sleep(0.2)
    print(f"loss: {(x - 0.3) ** 2 + 1 / epoch}", flush=True)
"""
    (tmp_path / "train.py").write_text(program)
    request: dict[str, Any] = {"command": "python -S train.py", "minimize": "loss", "parameters": {"x": [0.0, 2.0]}}
    request |= {"budget": {"jobs": 16, "parallel": 3}, "strategy": "random", "seed": 1, "early_stopping": True}
    (tmp_path / "request.json").write_text(json.dumps(request))
    name = new_name("stopping")
    said = run("tune", tmp_path / "request.json", "--name", name, "--home", server.home)
    assert said.code == 0, said
    jobs = following.training_jobs(sagemaker, name)
    stopped = [job for job in jobs if job["TrainingJobStatus"] == "Stopped"]
    assert stopped
    found = json.loads(tuned.explain(name, "--json", "--jobs", "6").out)["searches"][0]
    chances = {reason["training_job"]: reason["chance_of_success"] for reason in found["reasons"]}
    xs = {job["TrainingJobName"]: float(job["TunedHyperParameters"]["x"]) for job in jobs[-6:]}
    near, far = (pick(xs, key=lambda job: abs(xs[job] - 0.3)) for pick in (min, max))
    assert chances[far] < 0.5 < chances[near]
    assert "to succeed  with a chance of " in tuned.explain(far).out
    last = tuned.explain(stopped[-1]["TrainingJobName"])
    assert last.out.splitlines()[-1].startswith("came        ") and last.out.endswith(" Stopped\n")
    ends = {row[0]: row[-1] for row in rows(tuned.explain(name, "--jobs", "16").out, "TRAINING JOB")}
    assert {job for job, end in ends.items() if end == "Stopped"} == {job["TrainingJobName"] for job in stopped}
    assert {reason["status"] for reason in found["reasons"]} <= {"Completed", "Stopped"}


def test_what_cannot_be_explained_is_told(
    tuned: Tuned, server: RunningServer, sagemaker: Any, bucket: str, tmp_path: Path
) -> None:
    for arguments, message in {
        ("nobody",): "there is no tuning job and no training job nobody",
        (tuned.name, "-p", "y"): "y is none of the hyperparameters that vary: depth, idle, kind, x",
        (tuned.name, "-p", "x", "-p", "x"): "along two different ones",
    }.items():
        said = tuned.explain(*arguments)
        assert (said.code, message in said.err) == (1, True), said
    image = register(server, tmp_path, "print('loss=1;')")
    request = tuning_request(new_name("few"), image, f"s3://{bucket}/output")
    sagemaker.create_hyper_parameter_tuning_job(**request)
    tuning_ended(sagemaker, request["HyperParameterTuningJobName"])
    said = tuned.explain(request["HyperParameterTuningJobName"])
    assert (said.code, said.err) == (1, "pegbox: a model needs 3 results, and there are 2\n")
    said = tuned.explain(request["HyperParameterTuningJobName"], "--json")
    assert json.loads(said.out)["searches"][0]["too_little"].startswith("a model needs 3 results")
