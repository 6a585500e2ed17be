"""pegbox import optuna | mlflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pegbox.cli.admin import Region, place_of
from pegbox.cli.options import Account, Home
from pegbox.cli.output import progress, refuse, tell
from pegbox.counts import counted, either

if TYPE_CHECKING:
    from pegbox.maintenance.importing import Brought
    from pegbox.maintenance.transfer import Place
    from pegbox.sources.base import Study

app = typer.Typer(no_args_is_help=True, help="Bring what others have recorded: jobs for Search and for warm starts.")


class Direction(StrEnum):
    """What a study was after."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


@app.command("optuna")
def import_optuna(
    storage: Annotated[
        str, typer.Argument(help="URL of a database, as Optuna has it, or a file: of SQLite, or a journal.")
    ],
    study: Annotated[
        list[str] | None, typer.Option(help="Name of a study; may be given several times.", show_default="all")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="Metric that the objective is to be; of several objectives, the one that counts.",
            show_default="Optuna's name of it, else objective",
        ),
    ] = None,
    account: Account = None,
    region: Region = None,
    home: Home = None,
) -> None:
    """Bring studies of Optuna: each becomes a tuning job, its trials that have ended training jobs.

    A study is brought whole or not at all; given again, the command adds the trials that have ended since.  Optuna need
    not be installed, and nothing is written to the storage.  Servers may run meanwhile.
    """
    from pegbox.sources.optuna import study_of
    from pegbox.sources.optuna_storage import address, studies

    found = studies(storage, lambda name: not study or name in study)
    if not found and not study:
        raise refuse(f"{address(storage)} has no study")
    missing = sorted({*(study or ())} - {kept.title for kept in found})
    if missing:
        raise refuse(f"{address(storage)} has no study {missing[0]}")
    where = address(storage)
    _bring((study_of(kept, where, objective) for kept in found), "study", home, account, region)


@app.command("mlflow")
def import_mlflow(
    uri: Annotated[
        str,
        typer.Argument(help="Tracking URI: http://... of a server, sqlite:/// or another database, a folder mlruns."),
    ],
    experiment: Annotated[
        list[str] | None, typer.Option(help="Name of an experiment; may be given several times.", show_default="all")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="Metric that the runs were after: with it an experiment becomes a tuning job."),
    ] = None,
    direction: Annotated[
        Direction | None, typer.Option(help="What the objective was for: minimize or maximize.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            help="Parameter that was tuned; may be given several times.",
            show_default="all that every run has; those with one value are static",
        ),
    ] = None,
    account: Account = None,
    region: Region = None,
    home: Home = None,
) -> None:
    """Bring experiments of MLflow: their runs that have ended become training jobs; with --objective, a tuning job's.

    An experiment is brought whole or not at all; given again, the command adds the runs that have ended since.  MLflow
    need not be installed, and nothing is written to the store.  Servers may run meanwhile.
    """
    from pegbox.sources.base import Objective
    from pegbox.sources.mlflow import study_of
    from pegbox.sources.mlflow_store import address, experiments

    if (objective is None) != (direction is None):
        raise typer.BadParameter("--objective and --direction belong together")
    if parameter and objective is None:
        raise typer.BadParameter("--parameter is for --objective")
    wanted = None
    if objective is not None:
        wanted = Objective(metric=objective, maximize=direction is Direction.MAXIMIZE)
    where, left = address(uri), {*(experiment or ())}

    def is_wanted(name: str) -> bool:
        left.discard(name)
        return not experiment or name in experiment

    def studies() -> Iterator[Study]:
        with progress() as told:
            told.begin(f"runs at {where}")
            for kept in experiments(uri, is_wanted, lambda count: told.step(count=count)):
                told.interrupt()
                yield study_of(kept, where, wanted, parameter or ())

    _bring(studies(), "experiment", home, account, region)
    if left:
        raise refuse(f"{where} has no experiment {sorted(left)[0]}")


def _bring(studies: Iterable[Study], what: str, home: Path | None, account: str | None, region: str | None) -> None:
    """Write studies one after the other, and say what has become of each."""
    with place_of(home, account, region, make=True) as place:
        for study in studies:
            _bring_one(place, study, what)


def _bring_one(place: Place, study: Study, what: str) -> None:
    from pegbox.maintenance import importing
    from pegbox.sources import records

    for note in study.notes:
        tell(f"{study.title}: {note}")
    if not study.runs:
        tell(f"{study.title}: nothing of it has ended yet")
        return
    tuning = records.tuning_job(study) if study.objective else None
    if tuning and (reason := importing.check_ranges(tuning)):
        tell(f"{study.title}: no tuning job, only training jobs: {reason}")
        tuning, study = None, replace(study, objective=None)
    most = max(len(run.parameters) for run in study.runs)
    if most > records.MOST_PARAMETERS:
        kept = f"{records.MOST_PARAMETERS} of each are kept, tuned ones first"
        tell(f"{study.title}: runs have up to {most} parameters: {kept}")
    jobs = (records.training_job(study, run) for run in study.runs)
    with progress() as told:
        told.begin(f"{what} {study.title}", len(study.runs))
        done = importing.bring(place, tuning, jobs, told, study.source)
    if study.objective is None and what == "experiment" and done.added:
        tell(f"{study.title}: no tuning job, which warm starts could begin with: --objective and --direction make one")
    name = f"the tuning job {study.name}" if tuning else f"the training jobs {study.name}-..."
    tell(f"the {what} {study.title} is {name}: {_counted(done)}")
    if study.unfinished:
        left = f"{study.unfinished:,} {either(study.unfinished, 'has', 'have')} not ended"
        tell(f"{study.title}: {left}; the same command adds what has ended since")


def _counted(done: Brought) -> str:
    known = f", {done.known:,} {either(done.known, 'was', 'were')} there already" if done.known else ""
    return f"{counted(done.added, 'training job')} {either(done.added, 'is', 'are')} new{known}"
