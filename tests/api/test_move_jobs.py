"""pegbox admin load and dump beside a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line import run
from examination import damages
from jobs import new_name
from running import RunningServer


def line(name: str, project: str) -> str:
    return json.dumps(
        {
            "TrainingJobName": name,
            "TrainingJobStatus": "Completed",
            "HyperParameters": {"eta": "0.5"},
            "AlgorithmSpecification": {"TrainingImage": "elsewhere", "TrainingInputMode": "File"},
            "ModelArtifacts": {"S3ModelArtifacts": "s3://elsewhere/model.tar.gz"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "CreationTime": 1_700_000_000.0,
            "FinalMetricDataList": [{"MetricName": "auc", "Value": 0.75, "Timestamp": 1_700_000_000.0}],
            "Tags": [{"Key": "Project", "Value": project}],
        }
    )


def test_what_is_loaded_is_found_at_once(server: RunningServer, sagemaker: Any, tmp_path: Path) -> None:
    wrong = damages(server)
    project, names = new_name("moved"), [new_name("moved") for _ in range(3)]
    file = tmp_path / "jobs.jsonl"
    file.write_text("".join(f"{line(name, project)}\n" for name in names))
    said = run("admin", "load", file, "--home", server.home)
    assert (said.code, said.err) == (0, "pegbox: 3 training jobs are loaded\n")
    mine = {"Filters": [{"Name": "Tags.Project", "Value": project}]}
    found = sagemaker.search(Resource="TrainingJob", SearchExpression=mine)["Results"]
    assert {each["TrainingJob"]["TrainingJobName"] for each in found} == set(names)
    described = sagemaker.describe_training_job(TrainingJobName=names[0])
    assert described["FinalMetricDataList"][0]["Value"] == 0.75
    assert damages(server) <= wrong

    again = run("admin", "load", file, "--home", server.home)
    assert again.err == "pegbox: 0 training jobs are loaded, 3 were there already\n"
    other = tmp_path / "dumped.jsonl"
    assert run("admin", "dump", other, "--home", server.home).code == 0
    kept = [each for each in other.read_text().splitlines() if json.loads(each)["TrainingJobName"] in names]
    (tmp_path / "kept.jsonl").write_text("\n".join(kept))
    moved = run("admin", "load", tmp_path / "kept.jsonl", "--home", tmp_path / "home")
    assert moved.err == "pegbox: 3 training jobs are loaded\n"
    assert run("admin", "dump", "--home", tmp_path / "home").out.splitlines() == kept


def test_faults_are_told_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_text(f"{line('fine', 'p')}\n{line('wrong_name', 'p')}\n")
    said = run("admin", "load", file, "--home", tmp_path / "home")
    assert said.code == 1 and said.err.startswith(f"pegbox: {file}:2: 1 validation error detected: Value 'wrong_name'")
    missing = run("admin", "load", tmp_path / "none.jsonl", "--home", tmp_path / "home")
    assert (missing.code, missing.err) == (1, f"pegbox: {tmp_path / 'none.jsonl'}: No such file or directory\n")
    assert run("admin", "load", file, "--account", "12", "--home", tmp_path / "home").code == 2
    nothing = run("admin", "dump", tmp_path / "out.jsonl", "--home", tmp_path / "nowhere")
    assert nothing.code == 1 and not (tmp_path / "out.jsonl").exists()
