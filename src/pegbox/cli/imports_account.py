"""pegbox import sagemaker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegbox.cli.admin import place_of
from pegbox.cli.options import Home, an_account
from pegbox.cli.output import progress, refuse, tell
from pegbox.counts import counted, either

if TYPE_CHECKING:
    from pegbox.maintenance.progress import Progress
    from pegbox.maintenance.transfer import Place
    from pegbox.sources.sagemaker import Account, Listed
    from pegbox.store.resources import Kind

BATCH = 200  #: training jobs of nobody in one transaction


@dataclass(slots=True)
class Work:
    """What is being brought from an account."""

    place: Place
    account: Account
    told: Progress
    searches: int = 0  #: tuning jobs that are new
    children: int = 0  #: their training jobs
    others: int = 0  #: new training jobs of nobody
    known: int = 0
    left: int = 0  #: have not ended
    refused: int = 0

    def refuse(self, message: str) -> None:
        """Tell what cannot be imported, and go on."""
        self.refused += 1
        self.told.interrupt()
        tell(message)


def import_sagemaker(
    profile: Annotated[
        str | None, typer.Option(help="Profile of the AWS configuration.", show_default="as for every AWS client")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Region to read.", show_default="as for every AWS client")] = None,
    name_contains: Annotated[str | None, typer.Option(help="Only jobs with this in their names.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only jobs created after this time, UTC."),
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="Server to read, if not that of AWS.", show_default="AWS_ENDPOINT_URL, else AWS")
    ] = None,
    to_account: Annotated[
        str | None,
        typer.Option(
            help="Account here, of twelve digits.", show_default="the setting account_id", callback=an_account
        ),
    ] = None,
    to_region: Annotated[str | None, typer.Option(help="Region here.", show_default="the setting region")] = None,
    home: Home = None,
) -> None:
    """Bring tuning jobs and training jobs of an AWS account, with their tags; names stay as they are.

    A tuning job is brought with all of its training jobs or not at all, other training jobs in batches.  What is there
    already is passed over, so that the same command goes on where it was interrupted.  Nothing is written to the
    account.  Servers may run meanwhile.
    """
    from pegbox.sources.sagemaker import account as account_of
    from pegbox.sources.sagemaker import asking

    account = account_of(profile, region, endpoint_url, name_contains, since and since.replace(tzinfo=UTC))
    tell(f"reading {account.address}")
    with place_of(home, to_account, to_region, make=True) as place, progress() as told, asking(account):
        told.begin("training jobs")
        account.step = told.step
        work = Work(place, account, told)
        _bring_searches(work)
        _bring_others(work)
    tell(
        f"{counted(work.searches, 'tuning job')} with {counted(work.children, 'training job')} "
        f"{either(work.searches, 'is', 'are')} new, and {counted(work.others, 'other training job')}; "
        f"{work.known:,} {either(work.known, 'was', 'were')} there already"
    )
    if work.left:
        tell(f"{work.left:,} {either(work.left, 'has', 'have')} not ended; the same command adds what has ended since")
    if work.refused:
        raise refuse(f"{work.refused:,} {either(work.refused, 'is', 'are')} not imported")


def _bring_searches(work: Work) -> None:
    from pegbox.maintenance.archive import MaintenanceError
    from pegbox.maintenance.importing import bring
    from pegbox.maintenance.progress import Progress
    from pegbox.store.resources import Kind

    quiet = Progress(lambda text: None)
    for listed in _new(work, list(work.account.tuning_jobs()), Kind.TUNING_JOB):
        record = work.account.tuning_job(listed.name)
        try:
            done = bring(work.place, record, list(work.account.children(listed.name)), quiet)
        except MaintenanceError as error:
            work.refuse(f"the tuning job {listed.name} is not imported: {error}")
            continue
        work.searches += 1
        work.children += done.added


def _bring_others(work: Work) -> None:
    from pegbox.sources.sagemaker import batches
    from pegbox.store.resources import Kind

    new = _new(work, list(work.account.training_jobs()), Kind.TRAINING_JOB)
    work.known -= work.children  # they are there since a moment ago
    for names in batches((each.name for each in new), BATCH):
        _bring_batch(work, list(work.account.jobs(names)))


def _bring_batch(work: Work, records: Sequence[Mapping[str, Any]]) -> None:
    """All at once, or if one of them cannot be imported each by itself."""
    from pegbox.maintenance.archive import MaintenanceError
    from pegbox.maintenance.importing import bring
    from pegbox.maintenance.progress import Progress

    try:
        work.others += bring(work.place, None, records, Progress(lambda text: None)).added
    except MaintenanceError as error:
        if len(records) > 1:
            for record in records:
                _bring_batch(work, [record])
        else:
            work.refuse(str(error))


def _new(work: Work, listed: Sequence[Listed], kind: Kind) -> Iterator[Listed]:
    """Those that have ended and are not there; others of the same name are told."""
    from pegbox.maintenance.importing import is_same, names

    known = names(work.place, kind, [each.name for each in listed])
    for each in listed:
        created = known.get(each.name.lower())
        if created is not None and is_same(created, each.created):
            work.known += 1
        elif created is not None:
            work.refuse(f"{each.name} is not imported: there is another job of this name")
        elif not each.has_ended:
            work.left += 1
        else:
            yield each
