"""The short form of a tuning request: a program of one's own, its hyperparameters, what it prints, a budget.

command: python train.py
minimize: loss
parameters: {lr: [1e-4, 0.1], layers: [1, 6], optimizer: [sgd, adam]}
budget: 20
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pegbox.client.document import Node
from pegbox.client.faults import Fault, Faults, mapping, shown, text
from pegbox.client.goal import Budget, Goal, Metric, budget, expression, goal
from pegbox.client.presence import check_path
from pegbox.client.program import KEYS as PROGRAM_KEYS
from pegbox.client.program import absolute, program
from pegbox.client.ranges import Parameters, parameters
from pegbox.client.search import check, search
from pegbox.client.wanted import Program, Wanted
from pegbox.client.warm_start import warm_start

KEYS = (
    *PROGRAM_KEYS, "image", "minimize", "maximize", "metric", "metrics", "parameters", "budget", "strategy",
    "early_stopping", "seed", "warm_start", "name", "data", "output",
)  # fmt: skip
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}")  #: HyperParameterTuningJobName
_CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,64}")  #: ChannelName


def wanted(file: Path, root: Node) -> Wanted:
    """What a file of this form asks for.  Raises RequestFaults with all that is wrong."""
    faults, folder = Faults(file), file.parent.resolve()
    given: Mapping[str, Node] = root.value if isinstance(root.value, dict) else {}
    found, aim, spend, runs = Parameters(), Goal(Metric("", None), ""), Budget(), None
    config: dict[str, Any] = {}
    definition: dict[str, Any] = {}
    with faults.collected():
        mapping(root, KEYS)
    with faults.collected():
        found = _parameters(root, given, faults)
    with faults.collected():
        aim = goal(root, given)
    with faults.collected():
        runs = _program(folder, root, given, found)
    with faults.collected():
        config = search(given)
        spend = budget(given.get("budget"), is_grid=config["Strategy"] == "Grid")
        check(given, config["Strategy"], found, spend)
    with faults.collected():
        definition = _algorithm(given, aim.metric) | _places(folder, given)
    warm = {}
    with faults.collected():
        warm = {"WarmStartConfig": warm_start(given["warm_start"])} if "warm_start" in given else {}
    name = {}
    with faults.collected():
        name = {"HyperParameterTuningJobName": _name(given["name"])} if "name" in given else {}
    faults.check()
    request = {
        **name,
        **warm,
        "HyperParameterTuningJobConfig": config | _config(aim, spend, found),
        "TrainingJobDefinition": {
            **definition,
            "StaticHyperParameters": found.static,
            "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 0},
            "StoppingCondition": {"MaxRuntimeInSeconds": spend.job_time},
        },
    }
    doubts = [faults.line(node, doubt) for node, doubt in found.doubts]
    return Wanted(request=request, program=runs, parameters=found.told, doubts=doubts)


def _name(node: Node) -> str:
    if not _NAME.fullmatch(text(node)):
        raise Fault(node, f"{shown(node)} is no name: it has at most 32 letters, digits and hyphens between them")
    return text(node)


def _parameters(root: Node, given: Mapping[str, Node], faults: Faults) -> Parameters:
    if "parameters" not in given:
        raise Fault(root, "there are no parameters: write for example parameters: {lr: [1e-4, 0.1]}")
    found = parameters(given["parameters"], faults)
    if len(found.static) == len(mapping(given["parameters"])):
        raise Fault(given["parameters"], "nothing in it is to be tuned: give at least one a range, or a choice")
    return found


def _program(folder: Path, root: Node, given: Mapping[str, Node], found: Parameters) -> Program | None:
    if ("command" in given) == ("image" in given):
        raise Fault(root, "write command: python train.py, or image: NAME for one that the server knows")
    if "command" in given:
        names = given["parameters"].value if "parameters" in given else {}
        return program(folder, given, found, names if isinstance(names, dict) else {})
    for name in PROGRAM_KEYS:
        if name in given:
            raise Fault(given[name], f"{name} goes with a command: an image has its own")
    return None


def _config(aim: Goal, spend: Budget, found: Parameters) -> dict[str, Any]:
    limits = {
        "MaxNumberOfTrainingJobs": spend.jobs,
        "MaxParallelTrainingJobs": spend.parallel,
        "MaxRuntimeInSeconds": spend.time,
    }
    return {
        "HyperParameterTuningJobObjective": {"Type": aim.direction, "MetricName": aim.metric.name},
        "ResourceLimits": {name: value for name, value in limits.items() if value is not None},
        "ParameterRanges": found.ranges,
        **({"TuningJobCompletionCriteria": spend.criteria} if spend.criteria else {}),
    }


def _algorithm(given: Mapping[str, Node], objective: Metric) -> dict[str, Any]:
    """The image, and what is read from its log; an image may bring its metrics along."""
    metrics = [objective] if "command" in given or objective.regex else []
    node = given.get("metrics")
    if node is not None and isinstance(node.value, list):
        metrics += [Metric(text(each), None) for each in node.value]
    elif node is not None:
        metrics += [Metric(name, expression(each)) for name, each in mapping(node).items()]
    algorithm: dict[str, Any] = {"TrainingInputMode": "File"}
    if "image" in given:
        algorithm["TrainingImage"] = text(given["image"])
    if metrics:
        algorithm["MetricDefinitions"] = [{"Name": each.name, "Regex": each.expression} for each in metrics]
    return {"AlgorithmSpecification": algorithm}


def _places(folder: Path, given: Mapping[str, Node]) -> dict[str, Any]:
    """Where data is read and models go; without `output` into a bucket."""
    places: dict[str, Any] = {}
    if "data" in given:
        channels = mapping(given["data"])
        places["InputDataConfig"] = [_channel(folder, name, node) for name, node in channels.items()]
    if "output" in given:
        places["OutputDataConfig"] = {"S3OutputPath": _uri(folder, given["output"])}
    return places


def _channel(folder: Path, name: str, node: Node) -> dict[str, Any]:
    if not _CHANNEL.fullmatch(name):
        raise Fault(node, f"{name!r} is no name of a channel: it has at most 64 letters, digits, '.', '_' and '-'")
    uri = _uri(folder, node)
    if "://" not in text(node):
        check_path(node, absolute(folder, text(node)))
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


def _uri(folder: Path, node: Node) -> str:
    written = text(node)
    return written if "://" in written else f"file://{absolute(folder, written)}"
