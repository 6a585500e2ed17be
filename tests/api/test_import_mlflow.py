"""pegbox import mlflow beside a running server."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command_line import Done, run
from examination import damages
from jobs import children, new_name, tuning_ended
from pegbox.testing.requests import ROLE
from running import RunningServer

RECORDED = Path(__file__).parents[1] / "sources"
OBJECTIVE = ("--objective", "loss", "--direction", "minimize")
PROGRAM = """
    import json, os
    given = json.loads(os.environ["SM_HPS"])
    rate, layers = float(given["rate"]), int(given["layers"])
    print(f"loss={(rate - 0.3) ** 2 + 0.1 * abs(layers - 4)};")
"""


def bring(server: RunningServer, uri: str, *more: str) -> Done:
    said = run("import", "mlflow", uri, *more, "--home", server.home)
    assert said.code == 0, said.err
    return said


def database(folder: Path, title: str) -> str:
    """What MLflow 3.17 has left, under a title that no other test imports."""
    with sqlite3.connect(folder / "mlflow.db") as opened:
        opened.executescript((RECORDED / "mlflow-3.17.sql").read_text())
        opened.execute("UPDATE experiments SET name = ? WHERE experiment_id = 1", (title,))
        for table in ("runs", "params", "latest_metrics", "tags"):  # ids that no other test imports
            opened.execute(f"UPDATE {table} SET run_uuid = substr(hex(?), -16) || substr(run_uuid, 1, 16)", (title,))
    return f"sqlite:///{folder / 'mlflow.db'}"


def test_runs_become_jobs_and_then_those_of_a_tuning_job(
    server: RunningServer, sagemaker: Any, image: Callable[..., str], here: str, tmp_path: Path
) -> None:
    wrong = damages(server)
    title = new_name("churn")
    uri = database(tmp_path, title)
    said = bring(server, uri, "--experiment", title)
    assert "10 training jobs are new" in said.err and "--objective and --direction make one" in said.err
    wanted = [{"Name": "Tags.mlflow.experiment", "Value": title}, {"Name": "HyperParameters.kind", "Value": "relu"}]
    found = sagemaker.search(
        Resource="TrainingJob",
        SearchExpression={"Filters": wanted},
        SortBy="Metrics.loss",
        SortOrder="Ascending",
    )["Results"]
    best = found[0]["TrainingJob"]
    assert {each["MetricName"]: each["Value"] for each in best["FinalMetricDataList"]} == {"loss": 0.0, "accuracy": 1.0}
    assert "TuningJobArn" not in best
    sagemaker.add_tags(ResourceArn=best["TrainingJobArn"], Tags=[{"Key": "seen", "Value": "yes"}])

    said = bring(server, uri, "--experiment", title, *OBJECTIVE)
    name = said.err.split("is the tuning job ")[1].split(":")[0]
    assert "0 training jobs are new, 10 were there already" in said.err
    tuning = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning["BestTrainingJob"]["TrainingJobName"] == best["TrainingJobName"]
    assert len(children(sagemaker, name)) == 10
    tags = sagemaker.list_tags(ResourceArn=best["TrainingJobArn"])["Tags"]
    assert {"Key": "seen", "Value": "yes"} in tags

    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=(warm := new_name("warm")),
        HyperParameterTuningJobConfig={
            "Strategy": "Bayesian",
            "RandomSeed": 1,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 750, "MaxParallelTrainingJobs": 1},
            "TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.05},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.001", "MaxValue": "1"}],
                "IntegerParameterRanges": [{"Name": "layers", "MinValue": "1", "MaxValue": "6"}],
            },
        },
        TrainingJobDefinition={
            "StaticHyperParameters": {"epochs": "5", "kind": "relu"},
            "AlgorithmSpecification": {
                "TrainingImage": image(PROGRAM),
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": here},
            "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
        WarmStartConfig={
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name}],
            "WarmStartType": "IdenticalDataAndAlgorithm",
        },
    )
    final = tuning_ended(sagemaker, warm)
    assert final["OverallBestTrainingJob"]["TuningJobName"] == name
    own = children(sagemaker, warm)
    assert len(own) < 12, "what the runs have found was not used"
    tuned = min(own, key=lambda job: job["CreationTime"])["TunedHyperParameters"]
    assert abs(math.log10(float(tuned["rate"]) / 0.3)) < 1
    assert damages(server) <= wrong


def test_options_that_do_not_fit_are_refused(server: RunningServer, tmp_path: Path) -> None:
    uri = database(tmp_path, new_name())
    for wrong, message in (
        (["--objective", "loss"], "belong together"),
        (["--parameter", "x"], "--parameter is for --objective"),
    ):
        said = run("import", "mlflow", uri, *wrong, "--home", server.home)
        assert said.code == 2 and message in said.err
    said = run("import", "mlflow", uri, "--experiment", "none", "--home", server.home)
    assert (said.code, said.err) == (1, f"pegbox: {uri} has no experiment none\n")
    said = run("import", "mlflow", uri, "--experiment", "empty", "--home", server.home)
    assert (said.code, said.err) == (0, "pegbox: empty: nothing of it has ended yet\n")
