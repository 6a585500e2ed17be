"""The trainer: reads the job, reads the data, trains, leaves the model.

Run as `python -m pegbox.algorithms.xgboost.train`, or call `main()` in a child of a process that has imported this
module: the import does all the expensive work, and neither trains nor starts a thread.  The child should end by
`os._exit`: after a failure of another instance, XGBoost's communicator does not survive an orderly exit.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import FrameType

from pegbox.algorithms.xgboost.library import xgboost  # first: it decides how many threads numpy starts

# isort: split
from pegbox.algorithms import container as containers
from pegbox.algorithms.container import Container, UserError
from pegbox.algorithms.xgboost.boosting import Outcome, boost
from pegbox.algorithms.xgboost.checkpoints import Checkpoints
from pegbox.algorithms.xgboost.cross_validation import cross_validate
from pegbox.algorithms.xgboost.data import Dataset, joined, matrix, read
from pegbox.algorithms.xgboost.distributed import Report, meeting
from pegbox.algorithms.xgboost.settings import Settings, parse

MODEL = "xgboost-model"
CELLS_PER_THREAD = 250_000  #: rows times columns that keep one thread busy


def main() -> int:
    """Train the job that the environment describes; return the exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = _print_warning
        return containers.run(train)


def train(container: Container) -> None:
    """Train one instance's part.  Raises UserError when hyperparameters or data are wrong."""
    settings = parse(container.hyperparameters)
    terminated = _termination(settings)
    say = _print if container.leads else _say_nothing
    for notice in settings.notices:
        say(notice)
    if settings.kfold is not None and len(container.hosts) > 1:
        raise UserError("Hyperparameter _kfold: cross validation runs on one instance, set InstanceCount to 1")
    with meeting(container) as instances:
        datasets = _read(container, settings)
        together = instances.agree(_report(datasets, settings, len(container.hosts)))
        columns = _columns(together, validated="validation" in container.channels)
        if together.copies > 1 and not container.leads:
            say(f"{container.current_host} holds the same data as {container.hosts[0]}, which trains for all")
            return
        nthread = settings.booster.get("nthread") or _threads(container, datasets[0])
        try:
            if settings.kfold is not None:
                _cross_validate(container, settings, datasets, columns, nthread)
                return
            with nullcontext() if together.copies > 1 else instances.training():
                outcome = boost(
                    settings,
                    [(matrix(dataset, columns, nthread, together.copies), dataset.name) for dataset in datasets],
                    nthread=nthread,
                    say=say,
                    terminated=terminated,
                    checkpoints=Checkpoints(container.checkpoint_dir),
                )
                if container.leads:
                    _save(container, outcome)
        except xgboost.core.XGBoostError as error:
            raise UserError(_reason(error)) from None


def _read(container: Container, settings: Settings) -> list[Dataset]:
    names = [name for name in ("train", "validation") if name in container.channels]
    if "train" not in names:
        raise UserError("The channel train is missing: XGBoost needs one with training data")
    return [read(container.channels[name], settings) for name in names]


def _threads(container: Container, train: Dataset) -> int:
    """As many as there is work for: threads that wait for each other at every node cost more than they bring."""
    return max(1, min(container.share_of_cpus, train.rows * train.columns // CELLS_PER_THREAD))


def _report(datasets: list[Dataset], settings: Settings, instances: int) -> Report:
    comparable = instances > 1 and settings.weighs_like_copies and settings.kfold is None
    train, validation = datasets[0], datasets[1] if len(datasets) > 1 else Dataset(name="validation", table=None)
    return Report(
        train_rows=train.rows,
        train_columns=train.columns,
        validation_rows=validation.rows,
        validation_columns=validation.columns,
        sparse=train.sparse or validation.sparse,
        fingerprint=train.fingerprint + validation.fingerprint if comparable else "",
    )


def _columns(together: Report, *, validated: bool) -> int:
    """The number of feature columns of all matrices."""
    if not together.train_rows:
        raise UserError("Channel train: there is no data, every file is empty or there is none")
    if validated and not together.validation_rows:
        raise UserError("Channel validation: there is no data, every file is empty or there is none")
    if validated and not together.sparse and together.train_columns != together.validation_columns:
        raise UserError(
            f"Channels train and validation do not fit: train has {together.train_columns} feature columns, "
            f"validation has {together.validation_columns}"
        )
    return max(together.train_columns, together.validation_columns)


def _cross_validate(
    container: Container, settings: Settings, datasets: list[Dataset], columns: int, nthread: int
) -> None:
    whole = matrix(joined(datasets), columns, nthread)
    container.model_dir.mkdir(parents=True, exist_ok=True)
    for fold, booster in enumerate(cross_validate(settings, whole, nthread=nthread, say=_print)):
        _write(booster, container.model_dir / f"{MODEL}-{fold}")


def _save(container: Container, outcome: Outcome) -> None:
    if outcome.rounds:
        container.model_dir.mkdir(parents=True, exist_ok=True)
        _write(outcome.booster, container.model_dir / MODEL)


def _write(booster: xgboost.Booster, path: Path) -> None:
    path.write_bytes(booster.save_raw("ubj"))


def _termination(settings: Settings) -> Callable[[], bool]:
    """What tells whether TERM has come; without `save_model_on_termination` the process ends at once when it comes."""
    if not settings.save_model_on_termination:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return lambda: False
    received: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGTERM, remember)
    return lambda: bool(received)


def _reason(error: Exception) -> str:
    """What XGBoost says without its time stamps, source positions and stack."""
    lines = [line.strip() for line in str(error).split("Stack trace:")[0].splitlines()]
    if "collective/" in str(error):
        return "Lost contact to another instance of the job during training"
    told = [line.split("Check failed:")[-1].strip() for line in lines if "Check failed:" in line]
    return f"XGBoost refuses the job: {told[0] if told else ' '.join(lines)}"


def _print(line: str) -> None:
    print(line, flush=True)


def _say_nothing(line: str) -> None:
    """Only the leader reports."""


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"Warning: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    containers.leave(main())
