"""The short form of a tuning request: what is accepted, and what is said about the rest."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pegbox.client import launching
from pegbox.client.faults import RequestFaults
from pegbox.client.goal import Metric
from pegbox.client.wanted import Wanted
from pegbox.domain.arguments import fill
from pegbox.runner.parse import MetricParser

FIVE_LINES = """\
command: python train.py
minimize: loss
parameters: {lr: [1e-4, 0.1], layers: [1, 6], optimizer: [sgd, adam]}
budget: 20
"""


def wanted(folder: Path, text: str, name: str = "train.yaml") -> Wanted:
    (folder / name).write_text(text)
    (folder / "train.py").touch()
    return launching.read(folder / name, lambda: pytest.fail("the short form needs no model"))


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(RequestFaults) as caught:
        wanted(folder, text)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def ranges(folder: Path, parameters: str) -> Any:
    found = wanted(folder, f"command: sh\nminimize: y\nparameters: {parameters}")
    return found.request["HyperParameterTuningJobConfig"]["ParameterRanges"]


def test_a_few_lines_are_a_whole_request(tmp_path: Path) -> None:
    found = wanted(tmp_path, FIVE_LINES)
    assert found.request["HyperParameterTuningJobConfig"] == {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {
            "ContinuousParameterRanges": [{"Name": "lr", "MinValue": "1e-4", "MaxValue": "0.1"}],
            "IntegerParameterRanges": [{"Name": "layers", "MinValue": "1", "MaxValue": "6"}],
            "CategoricalParameterRanges": [{"Name": "optimizer", "Values": ["sgd", "adam"]}],
        },
    }
    assert found.program is not None
    assert (found.program.command, found.program.workdir) == (("python", "train.py"), str(tmp_path))
    assert found.program.python == shutil.which("python")
    words = fill(found.program.arguments, {"lr": "0.01", "layers": "3", "optimizer": "sgd"})
    assert words == ["--layers", "3", "--lr", "0.01", "--optimizer", "sgd"]
    assert found.parameters["lr"] == "1e-4 to 0.1"


def test_json_says_the_same(tmp_path: Path) -> None:
    text = """{"command": ["python", "train.py"], "minimize": "loss", "budget": 20,
        "parameters": {"lr": [1e-4, 0.1], "layers": [1, 6], "optimizer": ["sgd", "adam"]}}"""
    assert wanted(tmp_path, text, "train.json") == wanted(tmp_path, FIVE_LINES)


def test_everything_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("train.sh", "bin/python"):
        (tmp_path / name).touch(0o755)
    (tmp_path / "data").mkdir()
    found = wanted(
        tmp_path,
        r"""
        name: mine
        command: ./train.sh --fast lr={lr} {half?--half} w={width} {batch}
        python: bin/python
        env: {CUDA_VISIBLE_DEVICES: 0, CACHE: yes}
        bind: [data:ro, /tmp]
        metric: {name: acc, regex: 'acc=(\S+)', goal: max}
        metrics: {time: 'time (\d+)'}
        parameters:
          lr: {low: 1e-4, high: 1e-1, scaling: reverse_log}
          width: {min: 1e1, max: 64, type: int, scale: log}
          half: [true, false]
          epochs: {value: 010}
          batch: {choices: [16, 32]}
        budget: {jobs: 9, parallel: 4, time: 2h, job_time: 1.5m, target: 0.99, patience: 5}
        strategy: Random
        seed: 7
        early_stopping: true
        data: {train: data, test: s3://b/test}
        output: out
        """,
    )
    config, definition = (found.request[part] for part in ("HyperParameterTuningJobConfig", "TrainingJobDefinition"))
    assert config == {
        "Strategy": "Random",
        "RandomSeed": 7,
        "TrainingJobEarlyStoppingType": "Auto",
        "TuningJobCompletionCriteria": {
            "TargetObjectiveMetricValue": 0.99,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
        },
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "acc"},
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 4, "MaxRuntimeInSeconds": 7200,
        },
        "ParameterRanges": {
            "ContinuousParameterRanges": [
                {"Name": "lr", "MinValue": "1e-4", "MaxValue": "1e-1", "ScalingType": "ReverseLogarithmic"}
            ],
            "IntegerParameterRanges": [
                {"Name": "width", "MinValue": "10", "MaxValue": "64", "ScalingType": "Logarithmic"}
            ],
            "CategoricalParameterRanges": [
                {"Name": "half", "Values": ["true", "false"]}, {"Name": "batch", "Values": ["16", "32"]},
            ],
        },
    }  # fmt: skip
    assert definition == {
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "acc", "Regex": r"acc=(\S+)"}, {"Name": "time", "Regex": r"time (\d+)"}],
        },
        "StaticHyperParameters": {"epochs": "010"},
        "InputDataConfig": [
            {
                "ChannelName": name,
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
            }
            for name, uri in (("train", f"file://{tmp_path}/data"), ("test", "s3://b/test"))
        ],
        "OutputDataConfig": {"S3OutputPath": f"file://{tmp_path}/out"},
        "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 0},
        "StoppingCondition": {"MaxRuntimeInSeconds": 90},
    }
    assert found.request["HyperParameterTuningJobName"] == "mine"
    assert found.program is not None
    assert (found.program.command, found.program.arguments) == (
        ("./train.sh", "--fast"), ("lr={lr}", "{half?--half}", "w={width}", "{batch}"),
    )  # fmt: skip
    assert found.program.environment == {"CUDA_VISIBLE_DEVICES": "0", "CACHE": "yes"}
    assert (found.program.python, found.program.binds) == ("bin/python", (f"{tmp_path}/data:ro", "/tmp"))


def test_two_numbers_are_a_range_and_all_other_lists_a_choice(tmp_path: Path) -> None:
    assert ranges(tmp_path, "{a: [1, 2.5], b: [1, 2, 3], c: [0.10], d: {values: ['1', '2']}, e: [-1, 1]}") == {
        "ContinuousParameterRanges": [{"Name": "a", "MinValue": "1", "MaxValue": "2.5"}],
        "IntegerParameterRanges": [{"Name": "e", "MinValue": "-1", "MaxValue": "1"}],
        "CategoricalParameterRanges": [
            {"Name": "b", "Values": ["1", "2", "3"]},
            {"Name": "c", "Values": ["0.10"]},
            {"Name": "d", "Values": ["1", "2"]},
        ],
    }


def test_a_whole_range_from_0_to_1_is_doubted(tmp_path: Path) -> None:
    lines = ("parameters:", "  a: [0, 1]", "  b: {min: 0, max: 1}", "  c: [0.0, 1]", "  d: {min: 0, max: 1, type: int}")
    doubts = wanted(tmp_path, "\n".join(["command: sh", "minimize: y", *lines])).doubts
    said = "only 0 and 1 are tried; for everything between them write 0.0 and 1.0"
    places = ((4, "a"), (5, "b"))
    assert list(doubts) == [f"{tmp_path}/train.yaml:{line}: parameters.{name}: {said}" for line, name in places]


def test_arguments_suit_parsers(tmp_path: Path) -> None:
    text = "command: sh\nminimize: y\nparameters: {x: [-1, 1], fast: [true, false], slow: false, sign: [-a, b], n: 3}"
    program = wanted(tmp_path, text).program
    assert program is not None
    values = {"x": "-1e-05", "fast": "true", "slow": "false", "sign": "b", "n": "3"}
    assert fill(program.arguments, values) == ["--fast", "--n", "3", "--sign=b", "--x=-1e-05"]


def test_an_image_has_its_own_metrics(tmp_path: Path) -> None:
    text = "image: xgboost\nmaximize: validation:auc\nparameters: {eta: [0.0, 1.0]}\ndata: {train: ."
    found = wanted(tmp_path, text + "}")
    assert found.program is None
    assert found.request["TrainingJobDefinition"]["AlgorithmSpecification"] == {
        "TrainingInputMode": "File", "TrainingImage": "xgboost",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["[sh, -c, 'x --b $SM_HP_B --a $0', '{a}']", "sh run.sh {a}"])
def test_a_program_may_read_parameters_from_variables(tmp_path: Path, command: str) -> None:
    (tmp_path / "run.sh").write_text('x --a $1 --b "$SM_HP_B"')
    text = f"command: {command}\nminimize: y\nparameters: {{a: [1, 2], b: [3, 4]}}"
    assert wanted(tmp_path, text).program is not None
    (tmp_path / "run.sh").write_text("x --a $1 --b $2")
    if "run.sh" in command:
        assert "parameters.b: the command says" in faults(tmp_path, text)[0]


def test_programs_that_differ_have_different_images(tmp_path: Path) -> None:
    names = set()
    for command in ("python train.py", "python train.py --fast", "python train.py"):
        program = wanted(tmp_path, f"command: {command}\nminimize: y\nparameters: {{a: [1, 2]}}").program
        assert program is not None
        names.add(program.image_name("train"))
    assert len(names) == 2
    assert all(re.fullmatch("train-[0-9a-f]{8}", name) for name in names)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("loss=0.5", [0.5]), ("epoch 3, loss: 1e-05, acc 1", [1e-05]), ('{"loss": -.5}', [-0.5]), ("loss = 3;", [3]),
        ("loss 0.25", [0.25]), ("val_loss=1", []), ("val-loss=1 loss=2", [2]), ("loss=nan", []), ("losses 3", []),
        ("loss=0.5 loss=0.4,loss=0.3", [0.5, 0.4, 0.3]), ("the loss is: loss 5. Next", [5]), ("loss=0.5.", [0.5]),
        ("loss=0.5,acc=0.9", [0.5]), ("loss=7%", [7]), ("loss=3/10", [3]), ("loss: 1,234.5", []), ("loss=1_000", []),
        ("loss=7e", []), ("loss=0,5", []), ("loss=1.2.3", []), ("loss=0x1F", []), ("loss=3ms", []), ("loss=12:30", []),
        ("loss=7e-", []), ("loss=2024-01-05", []), ("loss=1e5", [1e5]), ("loss=1e5x", []), ("loss=3 loss=4k", [3]),
        ("loss=0.5) (", [0.5]),
    ],
)  # fmt: skip
def test_a_metric_is_found_by_its_name(line: str, values: list[float]) -> None:
    parser = MetricParser({0: Metric("loss", None).expression})
    assert [value for _, _, value in parser.feed(f"{line}\n".encode())] == values


OTHERS = "command: sh\nminimize: y\n"
COMMAND = "minimize: y\nparameters: {n: [1, 2]}\ncommand: "
LONG = "x" * 300  #: no file can be called so
GREAT = f"1{'0' * 400}"  #: no double is so great
WRONG = {
    "": ["train.yaml:1: there are no parameters", "train.yaml:1: there is no metric", "train.yaml:1: write command:"],
    "- a": ["train.yaml:1: this is no list of names with values"],
    "import sys\n" + 99 * "sys.argv\n": ["train.yaml:1: 'import sys sys.argv sys.argv sys.argv sy ...' is no list"],
    OTHERS + "parameter: {}\n": ["train.yaml:3: parameter: parameter is not known here; did you mean parameters?"],
    OTHERS + "parameters:\n  lr: [0.1, 1e-4]": [
        "train.yaml:4: parameters.lr: the smaller bound stands first: not 0.1, 1e-4"
    ],
    OTHERS + "parameters:\n  lr: {min: 1}\n  n: {min: 1, max: 2, step: 1}": [
        "train.yaml:4: parameters.lr: give min and max, or values, or value; here are min",
        "train.yaml:5: parameters.n.step: step is not known here",
    ],
    OTHERS + "parameters: {lr: {min: a, max: .inf}}": ["train.yaml:3: parameters.lr.min: 'a' is no number"],
    OTHERS + "parameters: {lr: {min: 0, max: .inf}}": ["train.yaml:3: parameters.lr.max: '.inf' is no number"],
    OTHERS + "parameters: {n: {min: 1, max: 2.5, type: int}}": ["parameters.n.max: '2.5' is no whole number"],
    OTHERS + "parameters: {n: {min: 1, max: 2, scale: cubic}}": ["parameters.n.scale: 'cubic' is none of auto, linear"],
    OTHERS + "parameters: {n: {min: 1, low: 1, max: 2}}": ["parameters.n: one thing is said twice"],
    OTHERS + "parameters: {n: [], m: ~, k: [[1]]}": [
        "parameters.n: values are a list, such as", "parameters.m: there is no value; a text such", "k[0]: this is no",
    ],
    OTHERS + "parameters: {n: 1}": ["parameters: nothing in it is to be tuned"],
    OTHERS + "parameters: {n: [1, 2]}\nbudget: {jobs: 0}": ["budget.jobs: '0' is no whole number from 1 on"],
    OTHERS + "parameters: {n: [1, 2]}\nbudget: {job_time: 5 weeks}": ["budget.job_time: '5 weeks' is no time"],
    OTHERS + "parameters: {n: [1, 2]}\nbudget: {time: 5s}": ["budget.time: a search takes 120 seconds or more"],
    OTHERS + "parameters: {n: [1, 2]}\nbudget: {patience: 2}": ["budget.patience: '2' is no whole number from 3 on"],
    OTHERS + "parameters: {n: [1, 2]}\nbudget: {target: high}": ["budget.target: 'high' is no number"],
    OTHERS + "parameters: {n: [1, 2]}\nseed: -1\n": ["train.yaml:4: seed: '-1' is no whole number from 0 on"],
    OTHERS + "parameters: {n: [1, 2]}\nstrategy: anneal": ["strategy: 'anneal' is none of bayesian, random"],
    OTHERS + "parameters: {n: [1, 2]}\nearly_stopping: 1": ["early_stopping: '1' is neither true nor false"],
    OTHERS + "parameters: {n: [1, 2]}\nimage: x": ["train.yaml:1: write command: python train.py, or image"],
    OTHERS + "parameters: {n: [1, 2]}\nmaximize: x": ["train.yaml:4: maximize: both minimize and maximize are here"],
    "command: sh\nmetric: loss\nparameters: {n: [1, 2]}": ["train.yaml:2: metric: which way is better?"],
    "command: sh\nmetric: {goal: up, name: a}\nparameters: {n: [1, 2]}": ["metric.goal: 'up' is none of minimize"],
    "command: sh\nmetric: {goal: min}\nparameters: {n: [1, 2]}": ["metric: the metric has no name"],
    "command: sh\nminimize: {name: a, regex: a=.*}\nparameters: {n: [1, 2]}": ["minimize.regex: 'a=.*' cannot be used"],
    "command: sh {m} {n}\nminimize: y\nparameters: {n: [1, 2]}": ["command: {m} in it is none of the parameters n"],
    "command: sh {n}\nminimize: y\nparameters:\n  n: [1, 2]\n  m: [1, 2]\n  k: 1": [
        "train.yaml:5: parameters.m: the command says where its parameters belong, and has no {m}: add {m} to it"
    ],
    "command: 'x \"'\nminimize: y\nparameters: {n: [1, 2]}": ["command: it cannot be read as a command line"],
    "command: '{n} x'\nminimize: y\nparameters: {n: [1, 2]}": ["command: it does not begin with a program"],
    OTHERS + "parameters: {n: [1, null]}": ["parameters.n[1]: there is no value; a text such as null or ~ is written"],
    OTHERS + "parameters: {n: [1e-4, o.1]}": ["parameters.n: numbers stand beside the text 'o.1'; if a choice among"],
    OTHERS + "parameters: {n: [16 128]}": ["parameters.n: '16 128' is one single text: a comma is missing; if"],
    OTHERS + "parameters: {n: ['1', '2']}": ["parameters.n: the texts in it look like numbers; if a choice"],
    OTHERS + "parameters: {n: [a, b, a]}": ["parameters.n: The categorical hyperparameter n has the value 'a' more"],
    OTHERS + "parameters: {n: {min: 0, max: 1.0, scale: log}}": ["n.scale: a logarithmic scale begins above 0, not"],
    OTHERS + "parameters: {n: {min: 0, max: 9, scale: log}}": ["n.scale: a logarithmic scale begins above 0: at 1"],
    OTHERS + "parameters: {n: {min: 0, max: 9, scale: reverse-log}}": ["n.scale: a reverse logarithmic scale is for"],
    OTHERS + "parameters: {n: {min: 0.0, max: 1, scale: reverse-log}}": ["n.scale: a reverse logarithmic scale lies"],
    OTHERS + "parameters: {n: [1, 2]}\nbudget: 1000": ["train.yaml:4: budget: 1000 training jobs are more than"],
    OTHERS + "parameters: {n: [1, 2]}\nstrategy: random\nbudget: 10001": ["more than the 10000 of a search"],
    OTHERS + "parameters: {n: [1, 2]}\nbudget: {jobs: 2, parallel: 3}": ["budget: 3 at once are more than the 2 jobs"],
    OTHERS + "parameters: {n: [1, 2]}\nname: a_b": ["train.yaml:4: name: 'a_b' is no name: it has at most 32 letters"],
    OTHERS + "parameters: {n: [1, 2]}\ndata: {my train: .}": ["data.my train: 'my train' is no name of a channel"],
    OTHERS + "parameters: {n: [1, 2]}\ndata: {train: no/data}": ["data.train: there is no ", "no/data"],
    OTHERS + "parameters: {n: [1, 2]}\nbind: no/data:ro": ["bind: there is no ", "no/data"],
    OTHERS + "parameters: {n: [1, 2], m: [a, b]}\nstrategy: grid": ["parameters.n: a grid needs single values: write"],
    OTHERS + "parameters: {m: [a, b]}\nstrategy: grid\nbudget: 20": ["budget: a grid tries all of its 2 combinations:"],
    OTHERS + "parameters: {n: [1, 2]}\nstrategy: hyperband": ["strategy: hyperband has to know how many epochs there"],
    OTHERS + "parameters: {n: [1, 2]}\nstrategy: hyperband\nearly_stopping: true": ["early_stopping: hyperband stops"],
    COMMAND + "pyhton train.py": ["command: pyhton is no program that can be run; did you mean python?"],
    COMMAND + "train.py": ["train.py is no program that can be run: did you mean ./train.py, or python train.py?"],
    COMMAND + "./train.py": ["command: ./train.py is no program that can be run: chmod +x ./train.py makes it one"],
    COMMAND + "python tarin.py": ["command: there is no tarin.py in "],
    COMMAND + "cd .. && python train.py": ["command: no shell reads the command, so '&&' means nothing in it:"],
    COMMAND + "A=3 python train.py": ["command: no shell reads the command: for A=3 write env: {A: 3}"],
    COMMAND + "python train.py\npython: nowhere": ["python: nowhere is no program that can be run"],
    COMMAND + LONG: ["command: xxx", "xxx is no program that can be run"],
    COMMAND + f"python {LONG}": ["command: there is no xxx"],
    COMMAND + f"sh\npython: {LONG}": ["python: xxx", "xxx is no program that can be run"],
    COMMAND + f"sh\nbind: {LONG}": ["bind: there is no /"],
    COMMAND + f"sh\ndata: {{train: {LONG}}}": ["data.train: there is no /"],
    OTHERS + f"parameters: {{n: [1, {GREAT}]}}": ["parameters.n[1]: '1000000000", "...' is no number"],
    OTHERS + f"parameters: {{n: [1, 2]}}\nbudget: {{target: {GREAT}}}": ["budget.target: '1000000000"],
    OTHERS + f"parameters: {{n: [1, 2]}}\nbudget: {{time: {GREAT}d}}": ["budget.time: '1000000000", "...' is too long"],
    "image: x\nenv: {A: b}\nminimize: y\nparameters: {n: [1, 2]}": ["env: env goes with a command"],
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    said = faults(tmp_path, text)
    for expected in WRONG[text]:
        assert any(expected in line for line in said), said


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    said = faults(tmp_path, "command: ''\nmetric: x\nparameters: {a: [2, 1]}\nbudget: x\ndata: 1\nname: 3\nnonsense: 1")
    assert [line.split(": ")[0] + ": " + line.split(": ")[1] for line in said] == [
        "train.yaml:7: nonsense", "train.yaml:3: parameters.a", "train.yaml:2: metric", "train.yaml:1: command",
        "train.yaml:4: budget", "train.yaml:5: data", "train.yaml:6: name",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "names", "kind"),
    [
        ("train-1", ["train-1"], "IdenticalDataAndAlgorithm"),
        ("[train-1, train-2]", ["train-1", "train-2"], "IdenticalDataAndAlgorithm"),
        ("{parents: train-1, transfer: true}", ["train-1"], "TransferLearning"),
        ("{parents: [a, b], transfer: false}", ["a", "b"], "IdenticalDataAndAlgorithm"),
    ],
)
def test_a_search_starts_from_earlier_ones(tmp_path: Path, written: str, names: list[str], kind: str) -> None:
    found = wanted(tmp_path, f"{FIVE_LINES}warm_start: {written}\n").request["WarmStartConfig"]
    assert found["WarmStartType"] == kind
    assert [each["HyperParameterTuningJobName"] for each in found["ParentHyperParameterTuningJobs"]] == names
    assert "WarmStartConfig" not in wanted(tmp_path, FIVE_LINES).request


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{transfer: true}", "warm_start: there are no parents"),
        ("[]", "warm_start: 0 parents: a search has one to 5"),
        ("[a, b, c, d, e, f]", "warm_start: 6 parents: a search has one to 5"),
        ("{parents: a, transfer: maybe}", "warm_start.transfer: 'maybe' is neither true nor false"),
        ("{parent: a}", "warm_start.parent: parent is not known here; did you mean parents?"),
        ("7", "warm_start: '7' is no text"),
    ],
)
def test_parents_that_are_none_are_told(tmp_path: Path, written: str, says: str) -> None:
    (line,) = faults(tmp_path, f"{FIVE_LINES}warm_start: {written}\n")
    assert line.startswith(f"train.yaml:5: {says}")
