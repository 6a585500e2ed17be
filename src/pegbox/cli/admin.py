"""pegbox admin load | dump."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from pegbox.cli.options import Account, Home
from pegbox.cli.output import progress, refuse, tell
from pegbox.counts import counted, either
from pegbox.settings import load

if TYPE_CHECKING:
    from pegbox.maintenance.transfer import Place

STANDARD = Path("-")

app = typer.Typer(no_args_is_help=True, help="Move training jobs between installations.")


class Existing(StrEnum):
    """What becomes of jobs whose names others have."""

    REFUSE = "refuse"
    SKIP = "skip"


Region = Annotated[str | None, typer.Option(help="Region.", show_default="the setting region")]


@app.command("load")
def load_jobs(
    file: Annotated[Path, typer.Argument(help="JSON lines; - for standard input.")],
    existing: Annotated[
        Existing, typer.Option(help="What to do where another job has the name: refuse the file, or skip the job.")
    ] = Existing.REFUSE,
    account: Account = None,
    region: Region = None,
    home: Home = None,
) -> None:
    """Load training jobs that have ended: a JSON object a line, what DescribeTrainingJob answers, and `Tags`.

    They can be searched at once, and so can their lineage.  Jobs are loaded in batches, each whole or not at all; one
    that is there already as the file has it is passed over, so that an interrupted command goes on when it is given
    again.  Servers may run meanwhile.
    """
    from pegbox.maintenance import readiness, transfer

    with place_of(home, account, region, make=True) as place, _reading(file) as lines, progress() as told:
        told.begin("training jobs", _lines(lines))
        done = transfer.load(place, str(file), lines, told, skip=existing is Existing.SKIP)
        readiness.make_ready(place, told)
    parts = [f"{counted(done.added, 'training job')} {either(done.added, 'is', 'are')} loaded"]
    if done.known:
        parts.append(f"{done.known:,} {either(done.known, 'was', 'were')} there already")
    if done.skipped:
        why = either(done.skipped, "was skipped: another has its name", "were skipped: others have their names")
        parts.append(f"{done.skipped:,} {why}")
    tell(", ".join(parts))


@app.command("dump")
def dump_jobs(
    file: Annotated[Path, typer.Argument(help="The file to write; - for standard output.")] = STANDARD,
    account: Account = None,
    region: Region = None,
    home: Home = None,
) -> None:
    """Write all training jobs that have ended, as `pegbox admin load` takes them.  Servers may run meanwhile.

    Logs, metric points and models stay where they are: `pegbox backup` takes everything.
    """
    from pegbox.maintenance import transfer

    with place_of(home, account, region, make=False) as place, _writing(file) as output, progress() as told:
        told.begin("training jobs")
        count = transfer.dump(place, output.write, told)
    told_of = counted(count, "training job")
    tell(told_of if file == STANDARD else f"{told_of} {either(count, 'is', 'are')} in {file}")


@contextmanager
def place_of(home: Path | None, account: str | None, region: str | None, *, make: bool) -> Iterator[Place]:
    """The database that a command works on, without a server."""
    from pegbox.home import open_store
    from pegbox.maintenance.transfer import Place

    settings = load({"home": home, "region": region})
    store = open_store(settings, make=make)
    try:
        yield Place(store, account or settings.account_id, settings.region)
    finally:
        store.close()


@contextmanager
def _reading(file: Path) -> Iterator[IO[bytes]]:
    if file == STANDARD:
        yield typer.get_binary_stream("stdin")
        return
    try:
        lines = file.open("rb")
    except OSError as error:
        raise refuse(f"{file}: {error.strerror}") from None
    with lines:
        yield lines


def _lines(file: IO[bytes]) -> int:
    """How many there are; 0 if that can be known only at the end."""
    if not file.seekable():
        return 0
    count = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    file.seek(0)
    return count


@contextmanager
def _writing(file: Path) -> Iterator[IO[bytes]]:
    """A file that is there when it is whole."""
    if file == STANDARD:
        yield typer.get_binary_stream("stdout")
        return
    if file.is_dir():
        raise refuse(f"{file}: {os.strerror(errno.EISDIR)}")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        output = draft.open("wb")
    except OSError as error:
        raise refuse(f"{file}: {error.strerror}") from None
    try:
        with output:
            yield output
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
