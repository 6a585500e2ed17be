"""Real trainings on the data that scikit-learn brings along, each in a fraction of a second."""

from __future__ import annotations

import json
import math
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.base import Goal

from .task import Task, Values

Training = Callable[[Values], float]


class Kept:
    """The results of a training, each computed once; several processes may share the file."""

    def __init__(self, file: Path, name: str, training: Training) -> None:
        self._file, self._name, self._training = file, name, training
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._open()) as table, table:
            table.execute("create table if not exists results (task, point, value, primary key (task, point))")

    def __call__(self, values: Values) -> float | None:
        key = (self._name, json.dumps(values, sort_keys=True))
        with closing(self._open()) as table, table:
            row = table.execute("select value from results where task = ? and point = ?", key).fetchone()
            value = row[0] if row else self._compute(values)
            if not row:
                table.execute("insert or ignore into results values (?, ?, ?)", (*key, value))
        return value if value is None else float(value)

    def _compute(self, values: Values) -> float | None:
        """The value, None for a training that fails or diverges."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                value = self._training(values)
            except ValueError:
                return None
        return value if math.isfinite(value) else None

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=60)


def kernel_digits(values: Values) -> float:
    """Mean squared error of kernel ridge regression on the classes of handwritten digits."""
    from sklearn.datasets import load_digits
    from sklearn.kernel_ridge import KernelRidge

    x, y = load_digits(return_X_y=True)
    classes = np.eye(10)[y]
    model = KernelRidge(
        alpha=float(values["alpha"]),
        gamma=float(values["gamma"]),
        coef0=float(values["coef0"]),
        degree=int(values["degree"]),
        kernel=values["kernel"],
    )
    model.fit(x[:300] / 16, classes[:300])
    return float(np.mean((model.predict(x[300:800] / 16) - classes[300:800]) ** 2))


def boosting_diabetes(values: Values) -> float:
    """Mean squared error of gradient boosting on the progression of diabetes, 2 folds."""
    from sklearn.datasets import load_diabetes
    from sklearn.ensemble import GradientBoostingRegressor

    x, y = load_diabetes(return_X_y=True)
    folds, errors = np.arange(len(y)) % 2, []
    for fold in range(2):
        model = GradientBoostingRegressor(
            learning_rate=float(values["learning_rate"]),
            n_estimators=int(values["n_estimators"]),
            max_depth=int(values["max_depth"]),
            subsample=float(values["subsample"]),
            max_features=float(values["max_features"]),
            min_samples_leaf=int(values["min_samples_leaf"]),
            loss=values["loss"],
            random_state=0,
        )
        model.fit(x[folds != fold], y[folds != fold])
        errors.append(np.mean((model.predict(x[folds == fold]) - y[folds == fold]) ** 2))
    return float(np.mean(errors))


def sgd_cancer(values: Values) -> float:
    """Logarithmic loss of a linear model on breast cancer, by stochastic gradients, which diverge now and then."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import SGDClassifier

    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    model = SGDClassifier(
        loss=values["loss"],
        penalty=values["penalty"],
        alpha=float(values["alpha"]),
        l1_ratio=float(values["l1_ratio"]),
        learning_rate=values["learning_rate"],
        eta0=float(values["eta0"]),
        power_t=float(values["power_t"]),
        max_iter=int(values["epochs"]),
        tol=None,
        random_state=0,
    )
    model.fit(x[::2], y[::2])
    margin = (2 * y[1::2] - 1) * model.decision_function(x[1::2])
    return float(np.logaddexp(0, -margin).mean())


def forest_wine(values: Values) -> float:
    """Errors in percent of extremely randomised trees on wines, many of which are ties."""
    from sklearn.datasets import load_wine
    from sklearn.ensemble import ExtraTreesClassifier

    x, y = load_wine(return_X_y=True)
    model = ExtraTreesClassifier(
        n_estimators=int(values["n_estimators"]),
        max_depth=int(values["max_depth"]),
        min_samples_split=int(values["min_samples_split"]),
        max_features=float(values["max_features"]),
        criterion=values["criterion"],
        bootstrap=values["bootstrap"] == "true",
        random_state=0,
    )
    return 100 * (1 - float(model.fit(x[::3], y[::3]).score(np.delete(x, np.s_[::3], 0), np.delete(y, np.s_[::3]))))


_LOG = Scaling.LOGARITHMIC
TRAININGS: dict[str, tuple[Training, Goal, Space]] = {
    "kernel-digits": (
        kernel_digits,
        Goal.MINIMIZE,
        Space(
            (
                Continuous("alpha", 1e-6, 1e2, _LOG),
                Continuous("gamma", 1e-5, 1e1, _LOG),
                Continuous("coef0", 0.0, 3.0, Scaling.LINEAR),
                Integer("degree", 1, 8),
                Categorical("kernel", ("rbf", "laplacian", "polynomial", "sigmoid", "cosine")),
            )
        ),
    ),
    "boosting-diabetes": (
        boosting_diabetes,
        Goal.MINIMIZE,
        Space(
            (
                Continuous("learning_rate", 1e-3, 1.0, _LOG),
                Continuous("subsample", 0.2, 1.0, Scaling.LINEAR),
                Continuous("max_features", 0.1, 1.0, Scaling.LINEAR),
                Integer("n_estimators", 5, 60, _LOG),
                Integer("max_depth", 1, 6),
                Integer("min_samples_leaf", 1, 40, _LOG),
                Categorical("loss", ("squared_error", "absolute_error", "huber")),
            )
        ),
    ),
    "sgd-cancer": (
        sgd_cancer,
        Goal.MINIMIZE,
        Space(
            (
                Continuous("alpha", 1e-7, 1.0, _LOG),
                Continuous("l1_ratio", 0.0, 1.0, Scaling.LINEAR),
                Continuous("eta0", 1e-5, 1e2, _LOG),
                Continuous("power_t", 0.05, 0.9, Scaling.LINEAR),
                Integer("epochs", 1, 60, _LOG),
                Categorical("loss", ("log_loss", "hinge", "modified_huber", "squared_hinge", "perceptron")),
                Categorical("penalty", ("l2", "l1", "elasticnet")),
                Categorical("learning_rate", ("constant", "optimal", "invscaling", "adaptive")),
            )
        ),
    ),
    "forest-wine": (
        forest_wine,
        Goal.MINIMIZE,
        Space(
            (
                Continuous("max_features", 0.05, 1.0, Scaling.LINEAR),
                Integer("n_estimators", 1, 30, _LOG),
                Integer("max_depth", 1, 12),
                Integer("min_samples_split", 2, 40, _LOG),
                Categorical("criterion", ("gini", "entropy")),
                Categorical("bootstrap", ("true", "false")),
            )
        ),
    ),
}


def training(name: str, cache: Path) -> Task:
    function, goal, space = TRAININGS[name]
    kept = Kept(cache / "trainings.sqlite", name, function)
    return Task(name=name, family="trainings", space=space, goal=goal, exact=kept, costly=True)
