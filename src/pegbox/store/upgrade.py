"""Bring a database to the schema of this version."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from pegbox.slow import telling
from pegbox.store import connections

HEAD = "0010"  #: the newest revision in migrations/versions; a test compares
WRITTEN = "-wal"  #: ends the name of the file that SQLite writes to first
_LOCK = 7_205_759_403_792_793  # any number, the same in every server: PostgreSQL's advisory lock for upgrades


class SchemaTooNew(Exception):
    """The database was written by a newer version of pegbox; upgrade this one."""


def check_known(revision: str | None) -> None:
    """Raises SchemaTooNew for a schema that this version does not know."""
    if revision is not None and revision > HEAD:
        raise SchemaTooNew(f"the database has schema {revision}, this pegbox knows {HEAD}: install a newer pegbox")


def upgrade(engine: Engine) -> bool:
    """Run the missing migrations; True if there were any.  Several servers may call it at once."""
    with engine.connect() as connection:
        if revision_of(connection) == HEAD:
            return False
    steps = Steps(engine)
    with (
        telling("upgrading the database", steps.told),
        connections.writing(engine) as connection,
        connections.unhurried(connection),
    ):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        revision = revision_of(connection)
        if revision == HEAD:
            return False
        check_known(revision)
        run(connection, steps=steps)
    return True


def revision_of(connection: Connection) -> str | None:
    """The schema of a database, None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None


class Steps:
    """How far an upgrade is: its migrations, and what it has written; told while it runs."""

    def __init__(self, engine: Engine) -> None:
        self._log = f"{engine.url.database}{WRITTEN}" if engine.dialect.name == "sqlite" else None
        self._ahead: list[str] = []
        self._count = 0

    def begin(self, ahead: Sequence[str]) -> None:
        """These migrations are to be run, in this order."""
        self._ahead, self._count = list(ahead), len(ahead)

    def end_one(self) -> None:
        """The next one was run."""
        del self._ahead[:1]

    def told(self) -> str:
        """For people."""
        if not self._count:
            return "waiting for others that write to it"
        if not self._ahead:
            return f"writing to disk what {self._count} steps have changed"
        said = f"step {self._count - len(self._ahead) + 1} of {self._count}: {self._ahead[0]}"
        with suppress(OSError):
            if self._log is not None:
                said += f" ({os.stat(self._log).st_size / 1e6:,.0f} MB written so far)"
        return said


def run(connection: Connection, target: str = "head", steps: Steps | None = None) -> None:
    """Run the migrations up to `target`, in the connection's transaction."""
    # Imported here: a server whose database is up to date does not pay for it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    steps = steps or Steps(connection.engine)
    revisions = ScriptDirectory.from_config(config).iterate_revisions(target, revision_of(connection) or "base")
    steps.begin([f"{each.revision}, {each.doc.splitlines()[0]}" for each in revisions][::-1])
    config.attributes["applied"] = steps.end_one
    command.upgrade(config, target)
