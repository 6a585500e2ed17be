"""pegbox jobs | describe | best | stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

import typer

from pegbox.cli.asking import connected, sagemaker_of
from pegbox.cli.options import Home, Json, given
from pegbox.cli.output import document, lines, number, refuse, table, tell
from pegbox.counts import either

MOST_COUNTED = 200  #: tuning jobs beyond those that are listed

Name = Annotated[str, typer.Argument(help="A tuning job or a training job.")]
TuningName = Annotated[str, typer.Argument(help="A tuning job.")]


def jobs(
    name: Annotated[str | None, typer.Argument(help="A tuning job, whose training jobs are wanted.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Tuning jobs to list, the youngest first.")] = 20,
    best_first: Annotated[bool, typer.Option("--best-first", help="List training jobs by their objective.")] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """List tuning jobs, or the training jobs of one."""
    sagemaker = sagemaker_of(home)
    if name is None:
        _list_tuning_jobs(sagemaker, most, as_json)
    else:
        _list_training_jobs(sagemaker, name, best_first, as_json)


def describe(
    name: Name,
    watch: Annotated[bool, typer.Option("--watch", help="Show a tuning job until it ends.")] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Say how a job is, what it was asked to do, and what came out.

    With --watch exit code 1 unless it completed and has a result.
    """
    from rich.console import Console

    from pegbox.cli.watching import conclude
    from pegbox.cli.watching import watch as look
    from pegbox.client.finding import find
    from pegbox.client.report import described, failure
    from pegbox.client.unmeasured import reasons

    connection = connected(home)
    found = find(connection.client("sagemaker"), name)
    console = Console(stderr=as_json and watch)
    if watch and found.is_tuning:
        server, ended = look(connection, found.name, console, given(home))
        conclude(server, ended, console, given(home), as_json)
    elif watch:
        raise refuse(f"{name} is a training job: pegbox logs {name} --follow shows what it prints")
    elif as_json:
        document(found.answer)
    else:
        lines(console, described(connection, found))
        if found.is_tuning:
            lines(console, reasons(connection, found.answer, given(home)))
            lines(console, failure(connection, found.answer, given(home)))


def best(
    name: TuningName,
    arguments: Annotated[
        bool, typer.Option("--arguments", help="Print the hyperparameters as arguments: --lr 0.01 --layers 3.")
    ] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Print the best training job of a tuning job so far, with its hyperparameters.  Exit code 1 if there is none."""
    from rich.console import Console

    from pegbox.client import report
    from pegbox.client.finding import tuning_job

    connection = connected(home)
    found = tuning_job(connection.client("sagemaker"), name)
    if "BestTrainingJob" not in found:
        raise refuse(f"no training job of {name} has a result: {report.outcome(found)}")
    if as_json:
        document(found["BestTrainingJob"])
    elif arguments:
        typer.echo(_arguments(found))
    else:
        lines(Console(), [*report.best(found), *report.places(connection, found, given(home))])


def stop(name: Name, home: Home = None) -> None:
    """Stop a job, with all training jobs of a tuning job.  What they have made so far is kept."""
    from pegbox.client.finding import find

    sagemaker = sagemaker_of(home)
    found = find(sagemaker, name)
    if found.is_tuning:
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=found.name)
    else:
        sagemaker.stop_training_job(TrainingJobName=found.name)
    tell(f"{found.name} is being stopped")


def _list_tuning_jobs(sagemaker: Any, most: int, as_json: bool) -> None:
    from rich.console import Console

    from pegbox.client import following

    pages = sagemaker.get_paginator("list_hyper_parameter_tuning_jobs").paginate(
        SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"PageSize": min(most, 100)}
    )
    every = (each for page in pages for each in page["HyperParameterTuningJobSummaries"])
    found = list(islice(every, most))
    if as_json:
        document(found)
        return
    head = ("NAME", "STATUS", "DONE", "FAILED", "BEST", "METRIC", "CREATED", "TOOK")
    described = [following.describe(sagemaker, each["HyperParameterTuningJobName"]) for each in found]
    table(Console(), head, [_tuning_row(each) for each in described], least=2)
    if more := len(list(islice(every, MOST_COUNTED + 1))):
        told = f"more than {MOST_COUNTED}" if more > MOST_COUNTED else str(more)
        tell(f"there {either(more, 'is', 'are')} {told} more: --most {most + more}")


def _tuning_row(tuning: Mapping[str, Any]) -> Sequence[str]:
    from pegbox.client.answers import aim, failed, objective
    from pegbox.client.lines import moment, since

    counters, config = tuning["TrainingJobStatusCounters"], tuning["HyperParameterTuningJobConfig"]
    done = sum(counters.values()) - counters["InProgress"]
    best = tuning.get("BestTrainingJob")
    created = tuning["CreationTime"]
    return (
        tuning["HyperParameterTuningJobName"],
        tuning["HyperParameterTuningJobStatus"],
        f"{done}/{config['ResourceLimits'].get('MaxNumberOfTrainingJobs', '')}",
        str(failed(tuning)),
        number(None if best is None else objective(best)),
        aim(tuning).get("MetricName", ""),
        moment(created),
        since(created, tuning.get("HyperParameterTuningEndTime")),
    )


def _list_training_jobs(sagemaker: Any, name: str, best_first: bool, as_json: bool) -> None:
    from rich.console import Console

    from pegbox.client import following
    from pegbox.client.answers import aim, objective
    from pegbox.client.finding import tuning_job

    tuning = tuning_job(sagemaker, name)
    found = list(following.training_jobs(sagemaker, name))
    if best_first:
        sign = -1.0 if aim(tuning).get("Type") == "Maximize" else 1.0
        found.sort(key=lambda job: float("inf") if (value := objective(job)) is None else sign * value)
    if as_json:
        document(found)
        return
    tuned = sorted({name for job in found for name in job["TunedHyperParameters"]})
    metric = aim(tuning).get("MetricName", "")
    table(Console(), ("NAME", "STATUS", metric, "TOOK", *tuned), [_training_row(job, tuned) for job in found], least=3)


def _training_row(job: Mapping[str, Any], tuned: Sequence[str]) -> Sequence[str]:
    from pegbox.client.answers import objective
    from pegbox.client.lines import since

    begin = job.get("TrainingStartTime")
    return (
        job["TrainingJobName"],
        job["TrainingJobStatus"],
        number(objective(job)),
        "" if begin is None else since(begin, job.get("TrainingEndTime")),
        *(_short(job["TunedHyperParameters"].get(name, "")) for name in tuned),
    )


def _short(value: str) -> str:
    """A long decimal with six digits; everything else as it is."""
    try:
        return value if len(value) <= 8 else number(float(value))
    except ValueError:
        return value


def _arguments(tuning: Mapping[str, Any]) -> str:
    """The best hyperparameters as `pegbox tune` gives them to a program that does not say where they belong."""
    import shlex

    from pegbox.client.lines import own
    from pegbox.client.program import usual_arguments
    from pegbox.domain.arguments import fill

    best = tuning["BestTrainingJob"]
    ranges, definition = _searched(tuning, best.get("TrainingJobDefinitionName"))
    static = own(definition.get("StaticHyperParameters") or {})
    values = {name: [value] for name, value in static.items()}
    for each in (each for kind in ranges.values() for each in kind):
        values[each["Name"]] = each.get("Values") or [each["MinValue"], each["MaxValue"]]
    return shlex.join(fill(usual_arguments(values), {**static, **best["TunedHyperParameters"]}))


def _searched(tuning: Mapping[str, Any], name: str | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """ParameterRanges and definition of a training job."""
    for definition in tuning.get("TrainingJobDefinitions") or []:
        if definition["DefinitionName"] == name:
            return definition.get("HyperParameterRanges") or {}, definition
    config = tuning["HyperParameterTuningJobConfig"]
    return config.get("ParameterRanges") or {}, tuning.get("TrainingJobDefinition") or {}
