"""Surrogates of YAHPO Gym (Pfisterer et al. 2022): neural networks fitted to the results of real trainings.

A folder holds `lcbench` and `iaml_glmnet`, each with its `model.onnx` and `encoding.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pegbox.domain.ranges import Continuous, Integer, Scaling, Space
from pegbox.strategies.base import Goal

from .task import Curve, Task, Values, draws

LCBENCH = ("3945", "7593", "34539", "126025", "126026", "126029", "146212", "167083", "167104", "167149")
GLMNET = ("1067", "40981")
FAILING = LCBENCH[::3]  #: instances of LCBench that are also searched with a part of the space failing
FAILING_SHARE = 0.15
EPOCHS = 52
#: LCBench's ranges, in the order in which the surrogate takes them, after the epoch.
SPACE = Space(
    (
        Integer("batch_size", 16, 512, Scaling.LOGARITHMIC),
        Continuous("learning_rate", 1e-4, 1e-1, Scaling.LOGARITHMIC),
        Continuous("momentum", 0.1, 0.99, Scaling.LINEAR),
        Continuous("weight_decay", 1e-5, 1e-1, Scaling.LINEAR),
        Integer("num_layers", 1, 5, Scaling.LINEAR),
        Integer("max_units", 64, 1024, Scaling.LOGARITHMIC),
        Continuous("max_dropout", 0.0, 1.0, Scaling.LINEAR),
    )
)
GLMNET_SPACE = Space(
    (
        Continuous("alpha", 0.0, 1.0, Scaling.LINEAR),
        Continuous("s", 1e-4, 1e3, Scaling.LOGARITHMIC),
    )
)
_TIME, _ACCURACY, _ERROR = 0, 1, 0  #: columns of the output: two of LCBench, one of glmnet


class Surrogate:
    """One instance of a scenario; rows of inputs in, rows of outputs out."""

    def __init__(self, folder: Path, instance_name: str, instance: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", options, ["CPUExecutionProvider"])
        self._code = json.loads((folder / "encoding.json").read_text())[instance_name][instance]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        codes = np.full((len(rows), 1), self._code, np.int32)
        (output,) = self._session.run(None, {"x_cont": rows.astype(np.float32), "x_cat": codes})
        return np.asarray(output, float)


class LCBench:
    """Validation accuracy in percent of networks on tabular data (Zimmer et al. 2021); higher is better."""

    def __init__(self, bench: Path, instance: str) -> None:
        self._surrogate = Surrogate(bench / "lcbench", "OpenML_task_id", instance)

    def exact(self, values: Values) -> float:
        """After all epochs."""
        return float(self._ask(values, np.array([EPOCHS]))[0, _ACCURACY])

    def curve(self, values: Values) -> Curve:
        """After each epoch."""
        return tuple(self._ask(values, np.arange(1, EPOCHS + 1))[:, _ACCURACY].tolist())

    def seconds(self, values: Values) -> float:
        """How long all epochs take."""
        return max(float(self._ask(values, np.array([EPOCHS]))[0, _TIME]), 1.0)

    def _ask(self, values: Values, epochs: np.ndarray) -> np.ndarray:
        row = [float(values[name]) for name in SPACE.names]
        return self._surrogate(np.column_stack([epochs, np.tile(row, (len(epochs), 1))]))


class Fenced:
    """LCBench where large learning rates with much momentum fail: the worst of their kind in a part of the space."""

    def __init__(self, lcbench: LCBench, instance: str) -> None:
        self._lcbench = lcbench
        steps = [self._step(values) for values in draws(SPACE, 2000, int(instance))]
        self._edge = float(np.quantile(steps, 1 - FAILING_SHARE))

    def exact(self, values: Values) -> float | None:
        return None if self._step(values) > self._edge else self._lcbench.exact(values)

    @staticmethod
    def _step(values: Values) -> float:
        """The length of a step in the long run."""
        return float(values["learning_rate"]) / (1 - float(values["momentum"]))


def lcbench(bench: Path, instance: str) -> Task:
    source = LCBench(bench, instance)
    return Task(
        name=f"lcbench-{instance}",
        family="lcbench",
        space=SPACE,
        goal=Goal.MAXIMIZE,
        exact=source.exact,
        curve=source.curve,
        seconds=source.seconds,
    )


def lcbench_failing(bench: Path, instance: str) -> Task:
    source = LCBench(bench, instance)
    exact = Fenced(source, instance).exact
    name = f"lcbench-{instance}-failing"
    return Task(name=name, family="failing", space=SPACE, goal=Goal.MAXIMIZE, exact=exact, seconds=source.seconds)


def glmnet(bench: Path, instance: str) -> Task:
    """Misclassification error of an elastic net on all data; lower is better."""
    surrogate = Surrogate(bench / "iaml_glmnet", "task_id", instance)

    def exact(values: Values) -> float:
        return float(surrogate(np.array([[float(values["alpha"]), float(values["s"]), 1.0]]))[0, _ERROR])

    return Task(name=f"glmnet-{instance}", family="glmnet", space=GLMNET_SPACE, exact=exact)
