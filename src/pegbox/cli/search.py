"""pegbox search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pegbox.cli.asking import sagemaker_of
from pegbox.cli.options import Home
from pegbox.cli.output import refuse, tell
from pegbox.cli.tables import Form, Formatted, Output, chosen, write
from pegbox.counts import either

if TYPE_CHECKING:
    from pathlib import Path

    from pegbox.client.found import Hits, Wanted

MISUSED = 2  #: exit code for what cannot be understood


def search(
    expression: Annotated[
        str, typer.Argument(help="What to look for, in quotes for the shell; all if it is left out.")
    ] = "",
    resource: Annotated[
        str, typer.Option(help="TrainingJob, HyperParameterTuningJob or another one of the API's.")
    ] = "TrainingJob",
    sort: Annotated[
        str | None, typer.Option(help="Property, the largest value first.", show_default="LastModifiedTime")
    ] = None,
    ascending: Annotated[bool, typer.Option("--ascending", help="The smallest value first.")] = False,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="Properties to show, with commas between them; Metrics.* all metrics.",
            show_default="name, status, and those that are asked for",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most results.")] = 20,
    form: Formatted = None,
    output: Output = None,
    boto3: Annotated[
        bool, typer.Option("--boto3", help="Print the Python program that finds the same, and ask nobody.")
    ] = False,
    home: Home = None,
) -> None:
    """Find jobs by any of their properties.

    `pegbox search 'Metrics.validation:auc > 0.9' --sort Metrics.validation:auc` ranks models.

    `pegbox search 'Tags.Project = churn and (HyperParameters.eta < 0.1 or HyperParameters.optimizer in (adam, sgd))'`
    joins conditions; `and` binds closer than `or`.

    `pegbox search 'InputDataConfig[ChannelName = train and DataSource.S3DataSource.S3Uri contains cats]'` wants one
    element of a list that meets all conditions.

    `pegbox search 'Tags."my key" exists and TrainingJobStatus != Completed'` quotes what has blanks or signs in it.

    Operators: = != < <= > >= contains, in (A, B), not in (A, B), exists, not exists. Properties are all members of what
    DescribeTrainingJob tells, as ResourceConfig.InstanceType or CreationTime, beside HyperParameters.NAME, Metrics.NAME
    and Tags.KEY. Times are written 2026-11-28T12:00:00, in UTC.
    """
    from pegbox.client import found, query

    wanted_form = chosen(form, output)
    with _misuse_told():
        wanted = found.Wanted(
            node=query.parse(expression),
            text=expression,
            resource=found.resource_of(resource),
            sort_by=sort,
            ascending=ascending,
            limit=limit,
        )
        hits = None if boto3 else found.find(sagemaker_of(home), wanted)
    if hits is None:
        typer.echo(found.program(wanted))
    else:
        asked = [name.strip() for each in columns or () for name in each.split(",") if name.strip()]
        _show(hits, wanted, asked, wanted_form, output)


@contextmanager
def _misuse_told() -> Iterator[None]:
    from pegbox.client import found, query

    try:
        yield
    except query.QueryFault as fault:
        typer.echo(fault, err=True)
        raise typer.Exit(MISUSED) from None
    except found.NoResource as error:
        raise typer.BadParameter(f"--resource: {error}") from None


def _show(hits: Hits, wanted: Wanted, asked: Sequence[str], form: Form, output: Path | None) -> None:
    from pegbox.client.properties import columns

    if not hits.records:
        tell("nothing is like that")
    if hits.records or form is not Form.TABLE:
        _check(hits, asked)
        write(columns(hits.records, asked or wanted.columns()), form, output, "results")
    _tell_rest(hits, wanted)


def _check(hits: Hits, asked: Sequence[str]) -> None:
    """Tell which of the columns that are asked for nothing has; with no other column there is no table."""
    from pegbox.client.properties import lacking

    if not (missing := lacking(hits.records, asked)):
        return
    told = f"none of the results has {', '.join(missing)}"
    if hits.records and len(missing) < len(asked):
        tell(told)
    elif hits.records or all(name.endswith(".*") for name in asked):
        raise refuse(told)


def _tell_rest(hits: Hits, wanted: Wanted) -> None:
    more = hits.total - len(hits.records)
    if hits.has_more:
        told = f"{more:,} more" if hits.is_exact else f"at least {max(more, 1):,} more"
        tell(
            f"there {either(max(more, 1), 'is', 'are')} {told}: --limit {max(wanted.limit * 2, min(hits.total, 1000))}"
        )
