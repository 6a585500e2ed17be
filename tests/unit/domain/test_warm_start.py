"""Which parents a tuning job may begin with; each restriction of the guide once."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from pegbox.domain import definition, warm_start
from pegbox.domain.parents import Parent, imported, is_identical, record, remembered
from pegbox.errors import ValidationException
from pegbox.testing.requests import channel, tuning_request

Change = Callable[[dict[str, Any], dict[str, Any]], object]  #: of the child's request and the parent's

STATIC = {"epochs": "10", "optimizer": "sgd", "layers": "2", "_tuning_objective_metric": "loss"}
RANGES: dict[str, Any] = {
    "ContinuousParameterRanges": [{"Name": name, "MinValue": "0", "MaxValue": "1"} for name in "xy"],
    "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "9"}],
    "CategoricalParameterRanges": [{"Name": "colour", "Values": ["red", "blue"]}],
}


def request(name: str) -> dict[str, Any]:
    """A normalised request."""
    found = copy.deepcopy(tuning_request(name, "image", "s3://jobs/out", jobs=20))
    found["HyperParameterTuningJobConfig"]["ParameterRanges"] = copy.deepcopy(RANGES)
    job = found["TrainingJobDefinition"]
    job["StaticHyperParameters"] = dict(STATIC)
    job["InputDataConfig"] = [channel("train", "s3://jobs/train"), channel("test", "s3://jobs/test")]
    found["TrainingJobDefinition"] = definition.normalise(job)
    return found


def child(kind: str = "TransferLearning", parents: tuple[str, ...] = ("parent",)) -> dict[str, Any]:
    named = [{"HyperParameterTuningJobName": name} for name in parents]
    warm = {"ParentHyperParameterTuningJobs": named, "WarmStartType": kind}
    return request("child") | {"WarmStartConfig": warm}


def parent_of(document: dict[str, Any], **changes: Any) -> Parent:
    given = {"id": 7, "name": "parent", "status": "Completed", "launched": 20, "algorithm": "image", **changes}
    return Parent(document=document, **given)


def ranges(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["HyperParameterTuningJobConfig"]["ParameterRanges"]
    return found


def static(document: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = document["TrainingJobDefinition"]["StaticHyperParameters"]
    return found


def drop(document: dict[str, Any], name: str) -> None:
    """Tune this hyperparameter no longer."""
    for items in ranges(document).values():
        items[:] = [item for item in items if item["Name"] != name]


def fix(name: str, value: str) -> Change:
    """From tunable in the parent to static in the child."""

    def change(child: dict[str, Any], parent: dict[str, Any]) -> None:
        drop(child, name)
        static(child)[name] = value

    return change


def free(name: str, **kind: Any) -> Change:
    """From static in the parent to tunable in the child."""

    def change(child: dict[str, Any], parent: dict[str, Any]) -> None:
        static(child).pop(name)
        for items, item in kind.items():
            ranges(child)[items].append({"Name": name, **item})

    return change


def both(*changes: Change) -> Change:
    return lambda child, parent: [change(child, parent) for change in changes]


def statics(**values: str) -> Change:
    return lambda child, parent: static(child).update(values)


def objective(**changes: str) -> Change:
    return lambda c, _: c["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"].update(changes)


def colours(count: int) -> Change:
    values = [str(number) for number in range(count)]
    return lambda _, parent: ranges(parent)["CategoricalParameterRanges"][0].update(Values=values)


WIDE = {"MinValue": "1", "MaxValue": "100"}
ALLOWED: dict[str, Change] = {
    "nothing": lambda c, p: None,
    "other ranges, scaling and values": lambda c, p: ranges(c).update(
        ContinuousParameterRanges=[
            {"Name": name, "MinValue": "5", "MaxValue": "9", "ScalingType": "Logarithmic"} for name in "xy"
        ],
        IntegerParameterRanges=[{"Name": "n", "MinValue": "-5", "MaxValue": "0"}],
        CategoricalParameterRanges=[{"Name": "colour", "Values": ["green"]}],
    ),
    "a static becomes tunable": free("epochs", IntegerParameterRanges=WIDE),
    "a static text becomes categorical": free("optimizer", CategoricalParameterRanges={"Values": ["sgd", "adam"]}),
    "a tunable becomes static": fix("colour", "red"),
    "ten changes": both(
        fix("x", "0.5"), fix("colour", "red"), fix("n", "3"), statics(layers="3", optimizer="adam"),
        free("epochs", IntegerParameterRanges=WIDE),
    ),
    "a number written differently": statics(epochs="1e1"),
    "what the SDK says of a script": lambda c, p: (
        static(c).update(sagemaker_submit_directory="s3://a/b", sagemaker_job_name="c"),
        static(p).update(sagemaker_submit_directory="s3://a/d", sagemaker_region="e"),
    ),
    "more at once": lambda c, p: c["HyperParameterTuningJobConfig"]["ResourceLimits"].update(MaxParallelTrainingJobs=9),
    "another strategy in the parent": lambda c, p: p["HyperParameterTuningJobConfig"].update(Strategy="Grid"),
    "one definition of a list": lambda c, p: _as_list(p, 1),
}  # fmt: skip


def _as_list(document: dict[str, Any], count: int) -> None:
    config, job = document["HyperParameterTuningJobConfig"], document.pop("TrainingJobDefinition")
    job |= {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    document["TrainingJobDefinitions"] = [job | {"DefinitionName": f"d{number}"} for number in range(count)]


@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
@pytest.mark.parametrize("case", ALLOWED)
def test_what_may_change(case: str, kind: str) -> None:
    new, old = child(kind), request("parent")
    ALLOWED[case](new, old)
    warm_start.check(new, "image", [parent_of(old)])


CHANGES = "cannot be more than 10. Compared with the parent [parent] it is "
REFUSED: dict[str, tuple[Change, str]] = {
    "another metric": (
        objective(MetricName="accuracy"),
        "it is [accuracy, Minimize], and that of the parent [parent] is [loss, Minimize]",
    ),
    "the other direction": (objective(Type="Maximize"), "it is [loss, Maximize], and that of the parent [parent]"),
    "one more hyperparameter": (statics(momentum="1"), "Compared with the parent [parent]: [momentum] added."),
    "one less": (lambda c, p: static(c).pop("layers"), "Compared with the parent [parent]: [layers] left out."),
    "another name": (
        lambda c, p: (static(c).pop("layers"), static(c).update(depth="2")),
        "[depth] added, [layers] left out.",
    ),
    "an integer becomes continuous": (
        lambda c, p: (drop(c, "n"), ranges(c)["ContinuousParameterRanges"].append({"Name": "n", **WIDE})),
        "[n] is Continuous, and in the parent [parent] it is Integer.",
    ),
    "a number becomes categorical": (
        lambda c, p: (drop(c, "x"), ranges(c)["CategoricalParameterRanges"].append({"Name": "x", "Values": ["1"]})),
        "[x] is Categorical, and in the parent [parent] it is Continuous.",
    ),
    "a text becomes a number": (
        free("optimizer", ContinuousParameterRanges=WIDE),
        "[optimizer] is Continuous, and in the parent [parent] it is static [sgd].",
    ),
    "a fraction becomes an integer": (
        lambda c, p: (static(p).update(epochs="0.5"), free("epochs", IntegerParameterRanges=WIDE)(c, p)),
        "[epochs] is Integer, and in the parent [parent] it is static [0.5].",
    ),
    "a number becomes a text": (fix("n", "many"), "[n] is static [many], and in the parent [parent] it is Integer."),
    "twelve changes": (
        both(fix("x", "0"), fix("n", "1"), fix("colour", "red"), statics(epochs="11", optimizer="adam", layers="3")),
        f"{CHANGES}12: epochs (2), optimizer (2), layers (2), x (2), n (2), colour (2).",
    ),
    "every value of a category": (both(colours(11), fix("colour", "0")), f"{CHANGES}11: colour (11)."),
    "several definitions in the parent": (lambda c, p: _as_list(p, 2), "[parent] has several training job definitions"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_must_not_change(case: str, kind: str) -> None:
    change, message = REFUSED[case]
    new, old = child(kind), request("parent")
    change(new, old)
    with pytest.raises(ValidationException, match=re.escape(message)):
        warm_start.check(new, "image", [parent_of(old)])


DATA: dict[str, tuple[Change, str]] = {
    "another place": (
        lambda c, p: c["TrainingJobDefinition"]["InputDataConfig"][0]["DataSource"]["S3DataSource"].update(S3Uri="s3://b/"),
        "the channel [train]",
    ),
    "another form": (lambda c, p: c["TrainingJobDefinition"]["InputDataConfig"][1].update(ContentType="csv"), "[test]"),
    "a channel less": (lambda c, p: c["TrainingJobDefinition"]["InputDataConfig"].pop(), "the channel [test]"),
    "a channel more": (lambda c, p: p["TrainingJobDefinition"]["InputDataConfig"].pop(0), "the channel [train]"),
}  # fmt: skip


@pytest.mark.parametrize("case", DATA)
def test_other_data_are_for_transfer_learning(case: str) -> None:
    change, message = DATA[case]
    new, old = child("IdenticalDataAndAlgorithm"), request("parent")
    change(new, old)
    begins = "Only the following fields in TrainingJobDefinition are allowed to change: [outputDataConfig,"
    with pytest.raises(ValidationException, match=f"{re.escape(begins)}.*parent.*{re.escape(message)}"):
        warm_start.check(new, "image", [parent_of(old)])
    new["WarmStartConfig"]["WarmStartType"] = "TransferLearning"
    warm_start.check(new, "image", [parent_of(old)])


def test_the_order_of_channels_and_the_way_data_are_read_do_not_matter() -> None:
    new, old = child("IdenticalDataAndAlgorithm"), request("parent")
    new["TrainingJobDefinition"]["InputDataConfig"].reverse()
    new["TrainingJobDefinition"]["InputDataConfig"][0]["InputMode"] = "FastFile"
    warm_start.check(new, "image", [parent_of(old)])


def test_another_algorithm_is_for_transfer_learning() -> None:
    new, old = child("IdenticalDataAndAlgorithm"), request("parent")
    with pytest.raises(ValidationException, match=r"TrainingImage must be that of the parent \[parent\]: \[image\]"):
        warm_start.check(new, "other", [parent_of(old)])
    new["WarmStartConfig"]["WarmStartType"] = "TransferLearning"
    warm_start.check(new, "other", [parent_of(old)])


@pytest.mark.parametrize("status", ["InProgress", "Stopping", "Deleting"])
def test_parents_must_have_ended(status: str) -> None:
    with pytest.raises(ValidationException, match=rf"\[second\] is in status {status}. All parent jobs must be"):
        warm_start.check(
            child(), "image", [parent_of(request("a")), parent_of(request("b"), name="second", status=status)]
        )


@pytest.mark.parametrize("status", ["Completed", "Stopped", "Failed"])
def test_however_they_have_ended(status: str) -> None:
    warm_start.check(child(), "image", [parent_of(request("parent"), status=status)])


def test_every_parent_is_checked() -> None:
    old = request("b")
    static(old)["more"] = "1"
    with pytest.raises(ValidationException, match=r"the parent \[second\]: \[more\] left out"):
        warm_start.check(child(), "image", [parent_of(request("a")), parent_of(old, name="second")])


@pytest.mark.parametrize(("strategy", "limit"), [("Bayesian", 750), ("Random", 10_000)])
def test_the_parents_training_jobs_count(strategy: str, limit: int) -> None:
    new = child()
    new["HyperParameterTuningJobConfig"]["Strategy"] = strategy
    parents = [parent_of(request("a"), name="a", launched=limit - 50), parent_of(request("b"), name="b", launched=30)]
    warm_start.check(new, "image", parents)
    new["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 21
    with pytest.raises(ValidationException, match=rf"above the limit \[{limit}\].*a \({limit - 50}\), b \(30\)"):
        warm_start.check(new, "image", parents)


def test_the_number_of_changes_is_a_setting() -> None:
    new, old = child(), request("parent")
    fix("x", "0.5")(new, old)
    warm_start.check(new, "image", [parent_of(old)], 2)
    with pytest.raises(ValidationException, match="cannot be more than 1"):
        warm_start.check(new, "image", [parent_of(old)], 1)


def named(document: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = document["WarmStartConfig"]["ParentHyperParameterTuningJobs"]
    return found


FORMS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "Grid": (lambda c: c["HyperParameterTuningJobConfig"].update(Strategy="Grid"), "this request has Grid"),
    "Hyperband": (lambda c: c["HyperParameterTuningJobConfig"].update(Strategy="Hyperband"), "has Hyperband"),
    "several definitions": (lambda c: _as_list(c, 2), "is for a single TrainingJobDefinition"),
    "Autotune": (lambda c: c.update(Autotune={"Mode": "Enabled"}), "together with Autotune"),
    "a parent twice": (
        lambda c: named(c).append({"HyperParameterTuningJobName": "PARENT"}),
        "The parent hyperparameter tuning job [PARENT] is named more than once",
    ),
    "a parent without a name": (
        lambda c: named(c).append({}),
        "needs a HyperParameterTuningJobName",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
def test_what_cannot_be_warm_started(case: str) -> None:
    change, message = FORMS[case]
    new = child()
    change(new)
    with pytest.raises(ValidationException, match=re.escape(message)):
        warm_start.parent_names(new)


def test_parents_are_named_in_their_order() -> None:
    assert warm_start.parent_names(child(parents=("b", "a"))) == ["b", "a"]
    assert warm_start.parent_names(request("none")) == []


def test_what_is_remembered_of_a_parent() -> None:
    document = child("IdenticalDataAndAlgorithm") | record([parent_of(request("parent") | {"Tags": []})])
    (parent,) = remembered(document)
    assert (parent.id, parent.name, parent.space.names) == (7, "parent", ("n", "x", "y", "colour"))
    assert parent.static == {"epochs": "10", "optimizer": "sgd", "layers": "2"}
    assert is_identical(document) and not is_identical(child()) and not is_identical(request("none"))
    assert record([]) == {} and remembered(request("none")) == []


def test_a_parent_that_was_no_tuning_job_is_believed() -> None:
    foreign = request("parent") | imported("optuna")
    foreign["TrainingJobDefinition"].pop("InputDataConfig")
    parent = parent_of(foreign, launched=5000, algorithm="optuna")
    warm_start.check(child("IdenticalDataAndAlgorithm"), "image", [parent])
    static(foreign)["more"] = "1"
    with pytest.raises(ValidationException, match=r"\[more\] left out"):
        warm_start.check(child("IdenticalDataAndAlgorithm"), "image", [parent])
    assert imported(None) == {}
