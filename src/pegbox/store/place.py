"""Which database it is: a home remembers its own, so that nobody judges it by the rows of another."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sqlalchemy import Engine, inspect, select

from pegbox.store import connections, schema
from pegbox.store.dialects import clock

SECRETS = ("password", "passfile", "sslpassword")  #: parameters of a URL that are no part of its place


def digest(engine: Engine) -> str:
    """SHA-256 of the place that the URL names, without user and password."""
    url = engine.url
    sqlite = engine.dialect.name == "sqlite"
    database = str(Path(url.database).resolve()) if sqlite and url.database else url.database
    query = {name: value for name, value in url.query.items() if name not in SECRETS}
    place = [engine.dialect.name, url.host, url.port, database, query]
    return hashlib.sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()


def is_missing(engine: Engine) -> bool:
    """Whether an SQLite database has no file, or an empty one.  Nothing is made to find out."""
    url = engine.url
    if engine.dialect.name != "sqlite" or not url.database or "uri" in url.query:
        return False
    path = Path(url.database)
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def alive(engine: Engine, seconds: float) -> list[str]:
    """The hosts whose servers have said within so many seconds that they are alive."""
    hosts = schema.host
    with connections.reading(engine) as connection:
        if not inspect(connection).has_table(hosts.name):
            return []
        found = select(hosts.c.id).where(hosts.c.seen_at > clock(engine.dialect.name) - seconds).order_by(hosts.c.id)
        return [str(name) for name in connection.execute(found).scalars()]


def has_seen(engine: Engine, host: str) -> bool:
    """Whether a server of this host has ever said there that it is alive."""
    with connections.reading(engine) as connection:
        return connection.execute(select(schema.host.c.id).where(schema.host.c.id == host)).first() is not None
