"""pegbox serve | env | migrate."""

from __future__ import annotations

import shlex
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pegbox.cli.options import Home
from pegbox.settings import Settings, load, unknown_variables

if TYPE_CHECKING:
    from pegbox.store.credentials import AccessKey


class Switch(StrEnum):
    """on or off."""

    ON = "on"
    OFF = "off"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one.", show_default="8420")
    ] = None,
    home: Home = None,
    auth: Annotated[
        Switch | None, typer.Option(help="Whether signatures are verified; off only on loopback.", show_default="on")
    ] = None,
    idle: Annotated[
        float | None,
        typer.Option(min=1, help="End after so many seconds without a job and a request.", show_default="never"),
    ] = None,
) -> None:
    """Run the server until it is told to end (Ctrl-C or SIGTERM).  Training that is running goes on without it.

    Then, in another shell:  eval "$(pegbox env)"  and every AWS client talks to it.
    """
    from pegbox.serving import run

    for name in unknown_variables():
        typer.echo(f"pegbox: the environment variable {name} is no setting and is ignored", err=True)
    run(load({"host": host, "port": port, "home": home, "auth": None if auth is None else auth is Switch.ON}), idle)


def env(home: Home = None) -> None:
    """Print shell exports that point every AWS client at the server:  eval "$(pegbox env)"."""
    from pegbox.announcement import address, url_of

    settings = load({"home": home})
    key = _first_key(settings)
    running = address(settings)
    variables = {
        "AWS_ENDPOINT_URL": running or url_of(settings.host, settings.port),
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
    }
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    if running is None:
        given = f" --home {shlex.quote(str(home))}" if home else ""
        note = f"# no server is running on the home {settings.home}; start one with: pegbox serve{given}"
        typer.echo(note, err=True)


def _first_key(settings: Settings) -> AccessKey:
    from pegbox.home import open_home, open_store
    from pegbox.keys import KeyRing

    store = open_store(settings, make=False)
    open_home(settings)  # whose database may lie elsewhere
    key = KeyRing(store.keys, settings, time.time).first()
    store.close()
    return key


def migrate(home: Home = None) -> None:
    """Bring the database to this version's schema.  `pegbox serve` does it by itself."""
    from pegbox.home import check_database, open_home
    from pegbox.store.sql import SqlStore
    from pegbox.store.upgrade import HEAD

    settings = load({"home": home})
    open_home(settings)
    store = SqlStore(settings.database, migrate=False)
    check_database(settings, store)
    changed = store.upgrade()
    store.close()
    typer.echo(f"The database is at schema {HEAD}{'' if changed else ' already'}.")
