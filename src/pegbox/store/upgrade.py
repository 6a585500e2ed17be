"""Bring a database to the schema of this version."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from pegbox.store import connections

HEAD = "0009"  #: the newest revision in migrations/versions; a test compares
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
    with connections.writing(engine) as connection, connections.unhurried(connection):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        revision = revision_of(connection)
        if revision == HEAD:
            return False
        check_known(revision)
        run(connection)
    return True


def revision_of(connection: Connection) -> str | None:
    """The schema of a database, None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None


def run(connection: Connection, target: str = "head") -> None:
    """Run the migrations up to `target`, in the connection's transaction."""
    # Imported here: a server whose database is up to date does not pay for it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
