"""pegbox backup | restore."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pegbox.cli.options import Home
from pegbox.cli.output import progress
from pegbox.counts import counted
from pegbox.settings import load


def backup(
    dest: Annotated[Path, typer.Argument(help="A folder that is new, empty, or of a backup that was interrupted.")],
    home: Home = None,
) -> None:
    """Write everything to a folder: jobs, metric points, objects, logs, keys, images, settings.

    The server may run meanwhile, and so may jobs.
    """
    from pegbox.maintenance.backup import backup as write

    with progress() as told:
        done = write(load({"home": home}), dest.absolute(), time.time, told)
    for missing in done.missing:
        typer.echo(f"pegbox: not in the backup, since its content is missing: {missing}", err=True)
    size = sum(entry.size for entry in done.manifest.files.values())
    rows, files = sum(done.manifest.rows.values()), len(done.manifest.files)
    typer.echo(f"{dest} is complete: {counted(rows, 'row')}, {counted(files, 'file')}, {size / 1e6:,.1f} MB.")


def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `pegbox backup` has written.")],
    home: Home = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="SQLAlchemy URL of an empty database. Others on the machine see command lines: "
            "leave a password to PGPASSFILE.",
            show_default="as the backup's settings say, else SQLite",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move a home that is there aside, and replace what the database holds.")
    ] = False,
) -> None:
    """Make a home and its database from a backup, once every file of it has been checked.

    Jobs that ran when the backup was made are tried again or fail, as their RetryStrategy says.
    """
    from pegbox.announcement import address
    from pegbox.engine import owners
    from pegbox.home import identity_of
    from pegbox.maintenance import restore as maintenance
    from pegbox.maintenance.archive import MaintenanceError

    url = database_url or os.environ.get("PEGBOX_DATABASE_URL") or maintenance.database_url_of(source)
    settings = replace(load({"home": home, "database_url": url or None}), database_url=url)
    if address(settings) is not None or owners.living(settings.home):
        raise MaintenanceError(f"a server is running on {settings.home}: stop it first")
    with progress() as told:
        manifest = maintenance.restore(
            settings,
            source.absolute(),
            identity_of,
            told,
            write_database_url=database_url is not None,
            overwrite=overwrite,
        )
    made = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(manifest.made))
    typer.echo(f"{settings.home} is as {manifest.home} was at {made}.")
