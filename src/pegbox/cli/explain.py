"""pegbox explain."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegbox.cli.asking import connected
from pegbox.cli.options import Home, Json
from pegbox.cli.output import document, lines, number, refuse, table
from pegbox.counts import counted

if TYPE_CHECKING:
    from rich.console import Console

    from pegbox.client.connection import Connection
    from pegbox.client.explaining import Explanation, Subject
    from pegbox.strategies.explain.answers import Band, Importance, Reason, TooLittle, View

_BAR = 20  #: columns of a share of 1
_LITTLE = 0.3  #: a model that foretells less of the results' variance than this knows little
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def explain(
    name: Annotated[str, typer.Argument(help="A tuning job, or one of its training jobs.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="Look along this hyperparameter; given twice, over the plane of both."),
    ] = None,
    places: Annotated[
        int | None, typer.Option(min=2, max=101, help="Values to look at.", show_default="11, of two 7 each")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="The last training jobs whose reasons are told.")] = 5,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Say what a search has learned: which hyperparameters matter, where good values lie, why jobs were launched.

    Of a training job: why it was launched, and with -p where good values seemed to lie, by what was known then.
    Exit code 1 with fewer than three results.
    """
    from pegbox.client.finding import find, tuning_job
    from pegbox.naming import name_of

    for variable in _ONE_THREAD:  # before NumPy comes
        os.environ.setdefault(variable, "1")
    names = parameter or []
    if len(names) > 2 or len(set(names)) < len(names):
        raise refuse("one looks along one hyperparameter, or along two different ones")
    places = places or (11 if len(names) < 2 else 7)
    server = connected(home)
    sagemaker = server.client("sagemaker")
    found = find(sagemaker, name)
    if found.is_tuning:
        _explain_tuning_job(server, found.answer, names, places, jobs, as_json)
    elif "TuningJobArn" not in found.answer:
        raise refuse(f"{name} is not of a tuning job")
    else:
        tuning = tuning_job(sagemaker, name_of(found.answer["TuningJobArn"]))
        _explain_training_job(server, tuning, name, names, places, as_json)


def _explain_tuning_job(
    server: Connection, tuning: Mapping[str, Any], names: Sequence[str], places: int, jobs: int, as_json: bool
) -> None:
    from rich.console import Console

    from pegbox.client import explaining

    subjects = _subjects(server, tuning)
    _check(subjects, names)
    told = [explaining.explain(subject, names if _has(subject, names) else (), places, jobs) for subject in subjects]
    if as_json:
        document({"tuning_job": tuning["HyperParameterTuningJobName"], "searches": [_document(each) for each in told]})
    else:
        console = Console()
        for place, each in enumerate(told):
            lines(console, [""] if place else [])
            _show(console, each, len(told) > 1)
    if all(isinstance(each.importance, ValueError) for each in told):
        raise refuse("; ".join(sorted({str(each.importance) for each in told})))


def _explain_training_job(
    server: Connection, tuning: Mapping[str, Any], name: str, names: Sequence[str], places: int, as_json: bool
) -> None:
    from rich.console import Console

    from pegbox.client import explaining

    subject, number = _launched(_subjects(server, tuning), tuning, name)
    _check([subject], names)
    job, reason = subject.jobs[number - 1], explaining.reason_of(subject, number)
    view = explaining.view_then(subject, number, names, places) if names else None
    seen = None if isinstance(view, ValueError) else view
    if as_json:
        document({**_reason_document(job, reason), "view": _view_document(seen)})
    else:
        console = Console()
        lines(console, _reason_lines(job, reason, subject.search.metric))
        if seen is not None:
            lines(console, [""])
            _show_view(console, seen)
    if isinstance(view, ValueError):
        raise refuse(f"when {name} was launched: {view}")


def _subjects(server: Connection, tuning: Mapping[str, Any]) -> Sequence[Subject]:
    from pegbox.client import explaining

    return explaining.subjects(server.client("sagemaker"), server.client("sagemaker-metrics"), tuning)


def _launched(subjects: Sequence[Subject], tuning: Mapping[str, Any], name: str) -> tuple[Subject, int]:
    """The search that launched a training job, and its number there."""
    for subject in subjects:
        for place, job in enumerate(subject.jobs, 1):
            if job["TrainingJobName"] == name:
                return subject, place
    raise refuse(f"{name} is not among the training jobs of {tuning['HyperParameterTuningJobName']} any more")


def _check(subjects: Sequence[Subject], names: Sequence[str]) -> None:
    known = {each.name for subject in subjects for each in subject.study.space.parameters if each.size() != 1}
    for name in names:
        if name not in known:
            raise refuse(f"{name} is none of the hyperparameters that vary: {', '.join(sorted(known))}")


def _has(subject: Subject, names: Sequence[str]) -> bool:
    return {each.name for each in subject.study.space.parameters if each.size() != 1}.issuperset(names)


def _document(told: Explanation) -> dict[str, Any]:
    from pegbox.strategies.explain.answers import document as plain

    search = told.subject.search
    head = {"definition": search.name, "metric": search.metric, "goal": "maximize" if search.maximize else "minimize"}
    if isinstance(told.importance, ValueError):
        return {**head, "too_little": str(told.importance)}
    return {
        **head,
        "importance": plain(told.importance),
        "view": _view_document(told.view),
        "reasons": [_reason_document(job, reason) for job, reason in told.reasons],
    }


def _view_document(view: View | None) -> dict[str, Any] | None:
    from pegbox.strategies.explain.answers import document as plain

    return None if view is None else plain(view)


def _reason_document(job: Mapping[str, Any], reason: Reason) -> dict[str, Any]:
    from pegbox.client.answers import objective
    from pegbox.strategies.explain.answers import document as plain

    head = {"training_job": job["TrainingJobName"], "status": job["TrainingJobStatus"], "value": objective(job)}
    return {**head, **plain(reason)}


def _show(console: Console, told: Explanation, is_one_of_several: bool) -> None:
    from pegbox.client.lines import told as line

    search = told.subject.search
    if is_one_of_several:
        lines(console, [line("definition", search.name)])
    lines(console, [line("maximize" if search.maximize else "minimize", search.metric)])
    importance = told.importance
    lines(console, [line("model", _model(importance))])
    if isinstance(importance, ValueError):
        return
    lines(console, [""])
    best = _best(told)
    rows = [
        (each.name, _percent(each.alone), _percent(each.total), best.get(each.name, "")) for each in importance.shares
    ]
    bars = ["█" * round(_BAR * each.total) for each in importance.shares]
    head = ("HYPERPARAMETER", "ALONE", "WITH OTHERS", "BEST SO FAR", "")
    table(console, head, [(*row, bar) for row, bar in zip(rows, bars, strict=True)], least=4)
    if told.view is not None:
        lines(console, [""])
        _show_view(console, told.view)
    if told.reasons:
        lines(console, [""])
        rows_of_jobs = [_reason_row(job, reason) for job, reason in told.reasons]
        table(console, ("TRAINING JOB", "WHY", "EXPECTED", "95 %", "CAME"), rows_of_jobs, least=3)


def _model(importance: Importance | TooLittle) -> str:
    if isinstance(importance, ValueError):
        return str(importance)
    if importance.foretold is None:
        return f"{importance.results} results, all of them equal"
    doubt = ": it knows little yet" if importance.foretold < _LITTLE else ""
    share = _percent(importance.foretold)
    return f"{importance.results} results; from the others it foretells {share} of their differences{doubt}"


def _best(told: Explanation) -> Mapping[str, str]:
    """Hyperparameters of the best training job so far."""
    trials = [trial for trial in told.subject.study.trials if trial.objective is not None]
    sign = -1.0 if told.subject.search.maximize else 1.0
    best = min(trials, key=lambda trial: sign * (trial.objective or 0.0), default=None)
    return {} if best is None else {name: _short(value) for name, value in best.values.items()}


def _show_view(console: Console, view: View) -> None:
    if len(view.names) == 1:
        (name,) = view.names
        rows = [
            (
                _short(place.values[name]),
                number(place.average.median),
                _interval(place.average),
                number(place.at_best.median),
                _interval(place.at_best),
            )
            for place in view.places
        ]
        table(console, (name, "ON AVERAGE", "95 %", "AT THE BEST OTHERS", "95 %"), rows, least=2)
        return
    first, second = view.names
    columns = list(dict.fromkeys(place.values[second] for place in view.places))
    lines(console, [f"on average, {second} across"])
    grid = [view.places[begin : begin + len(columns)] for begin in range(0, len(view.places), len(columns))]
    plane = [(_short(row[0].values[first]), *(f"{place.average.median:.4g}" for place in row)) for row in grid]
    table(console, (first, *map(_short, columns)), plane, least=2)


def _reason_row(job: Mapping[str, Any], reason: Reason) -> Sequence[str]:
    band = reason.predicted
    return (
        job["TrainingJobName"],
        reason.kind,
        "" if band is None else number(band.median),
        "" if band is None else _interval(band),
        _came(job),
    )


def _came(job: Mapping[str, Any]) -> str:
    """The value; how the job stands, if it has none or did not come to its end."""
    from pegbox.client.answers import objective

    value, status = number(objective(job)), str(job["TrainingJobStatus"])
    return value if value and status == "Completed" else f"{value} {status}".lstrip()


def _reason_lines(job: Mapping[str, Any], reason: Reason, metric: str) -> Iterator[str]:
    from pegbox.client.lines import told

    yield f"{job['TrainingJobName']} {reason.kind}: {reason.text}"
    if reason.predicted is not None:
        interval = _interval(reason.predicted)
        yield told("expected", f"{metric} {number(reason.predicted.median)}, with a chance of 95 % {interval}")
        yield told("best then", f"{number(reason.best)} of {counted(reason.results, 'result')}")
    if reason.expected_improvement is not None and reason.chance_of_improvement is not None:
        chance = _percent(reason.chance_of_improvement)
        yield told("to gain", f"{number(reason.expected_improvement)} on average, with a chance of {chance}")
    if reason.chance_of_success is not None:
        yield told("to succeed", f"with a chance of {_percent(reason.chance_of_success)}")
    yield told("came", _came(job))


def _interval(band: Band) -> str:
    return f"{band.low:.4g} to {band.high:.4g}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f}%"


def _short(value: str) -> str:
    """A long decimal with four digits; everything else as it is."""
    try:
        return value if len(value) <= 6 else f"{float(value):.4g}"
    except ValueError:
        return value
