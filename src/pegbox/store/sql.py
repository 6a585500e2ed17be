"""The store over SQLAlchemy Core: one text for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, and_, bindparam, case, create_engine, event, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.pool import ConnectionPoolEntry

from pegbox.store import connections, schema
from pegbox.store.audit import Audit
from pegbox.store.base import MOST_SLOTS, Beat, Fenced
from pegbox.store.census import Census
from pegbox.store.claims import Asked, Claims
from pegbox.store.credentials import Credentials
from pegbox.store.database_file import COMPANIONS, DatabaseFile
from pegbox.store.dialects import clock, insert
from pegbox.store.images import Images
from pegbox.store.prepared import Prepared
from pegbox.store.resources import Kind, Resource
from pegbox.store.retention import Retention
from pegbox.store.rows import to_resource
from pegbox.store.transaction import SqlTransaction
from pegbox.store.upgrade import upgrade
from pegbox.wal import WriteAheadLog

IDLE_SECONDS = 10  #: after which PostgreSQL ends a transaction whose server does nothing
#: when PostgreSQL counts as gone (libpq, "Parameter Key Words"): seconds to connect, and on a silent connection;
#: milliseconds for which it may acknowledge nothing
PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_mine = Prepared(
    select(schema.resource.c.id).where(
        schema.resource.c.id == bindparam("row"),
        schema.resource.c.epoch == bindparam("epoch_then"),
        schema.resource.c.lease_owner.is_not(None),
    )
)


class SqlStore:
    """A Store (see store.base) in SQLite or PostgreSQL, named by an SQLAlchemy URL.

    `hasty`: give up a PostgreSQL that is silent for `connect_timeout` seconds, not only when connecting.
    """

    def __init__(self, url: str, *, migrate: bool = True, hasty: bool = False) -> None:
        self.engine = _engine(url, hasty)
        self._claims = Claims(self.engine.dialect.name)
        self.keys = Credentials(self.engine)
        self.images = Images(self.engine)
        self.census = Census(self.engine)
        self.old = Retention(self.engine)
        self.audit = Audit(self.engine)
        if migrate:
            try:
                self.upgrade()
            except BaseException:
                self.engine.dispose()
                raise

    def upgrade(self) -> bool:
        """Bring the database to the present schema; True if it was not.  Raises SchemaTooNew, Unavailable."""
        with connections.told():
            return upgrade(self.engine)

    def files(self) -> list[Path]:
        """Where SQLite keeps the database, whether it is there at the moment or not; nothing of PostgreSQL's."""
        if self.engine.dialect.name != "sqlite":
            return []
        with connections.reading(self.engine) as connection:
            named = connection.exec_driver_sql("PRAGMA database_list").all()
        return [Path(row[2] + more) for row in named if row[2] for more in ("", *COMPANIONS)]

    @contextmanager
    def transaction(self, lasting: bool = True) -> Iterator[SqlTransaction]:
        """Read and write."""
        with connections.writing(self.engine, lasting) as connection:
            yield SqlTransaction(connection)

    @contextmanager
    def reading(self) -> Iterator[SqlTransaction]:
        """Read only."""
        with connections.reading(self.engine) as connection:
            yield SqlTransaction(connection)

    def claim(
        self,
        owner: str,
        host: str,
        lease: float,
        limit: int,
        only: Collection[int] | None = None,
        without: Collection[int] = (),
        *,
        tuning_limit: int | None = None,
        slots: int = MOST_SLOTS,
        done: Collection[tuple[Resource, float | None]] = (),
        near: Collection[str] = (),
        silence: float = 60.0,
        everything: bool = True,
    ) -> Sequence[Resource]:
        """Let go of `done` and take due work, in one transaction."""
        tuning = limit if tuning_limit is None else tuning_limit
        asked = Asked(owner, host, near, silence, lease, limit, tuning, slots, only or (), without, everything)
        if not done and only is None and not self._anything(asked):
            return []
        with self.transaction(lasting=False) as tx:
            self._claims.release(tx.connection, done)
            return self._claims.take(tx.connection, asked)

    def look_again(self, held: Sequence[Resource]) -> Sequence[Resource]:
        """What has become of work that is held."""
        with connections.reading(self.engine) as connection:
            found = self._claims.versions(connection, [row.id for row in held])
        ours = [row for row in held if row.id in found and found[row.id][0] == row.epoch]
        changed = [row for row in ours if found[row.id][1] != row.version]
        if not changed:
            return ours
        with self.transaction(lasting=False) as tx:
            anew = self._claims.hear(tx.connection, changed)
        return [row for row in ours if found[row.id][1] == row.version] + list(anew)

    def _anything(self, asked: Asked) -> bool:
        with connections.reading(self.engine) as connection:
            return self._claims.anything(connection, asked)

    def renew(self, owner: str, lease: float, identities: Collection[int]) -> None:
        """Hold work for longer."""
        with self.transaction(lasting=False) as tx:
            self._claims.renew(tx.connection, owner, lease, identities)

    def release(self, resource: Resource, due_in: float | None) -> None:
        """Let go of work."""
        with self.transaction(lasting=False) as tx:
            self._claims.release(tx.connection, [(resource, due_in)])

    def owners(self) -> Sequence[str]:
        """Whoever holds a lease."""
        rows = schema.resource.c
        held = and_(rows.lease_owner.is_not(None), rows.lease_until > clock(self.engine.dialect.name))
        with self.reading() as tx:
            return list(tx.connection.execute(select(rows.lease_owner).where(held).distinct()).scalars())

    def expire(self, owner: str) -> None:
        """End all leases of a dead owner; its work is due at once."""
        rows = schema.resource
        with self.transaction() as tx:
            tx.connection.execute(update(rows).where(rows.c.lease_owner == owner).values(lease_until=0, due_at=0))

    def confirm(self, resource: Resource) -> None:
        """Raise Fenced for a lost lease."""
        given = {"row": resource.id, "epoch_then": resource.epoch}
        with self.reading() as tx:
            if _mine.first(tx.connection, given) is None:
                raise Fenced(f"{resource.kind} {resource.name}")

    def silent(self, seconds: float) -> Sequence[Resource]:
        """The unfinished training jobs of silent hosts."""
        rows, hosts = schema.resource.c, schema.host.c
        alive = select(hosts.id).where(hosts.seen_at > clock(self.engine.dialect.name) - seconds)
        theirs = and_(rows.kind == Kind.TRAINING_JOB.value, rows.ended_at.is_(None), rows.host.not_in(alive))
        columns = [column for column in schema.resource.columns if column.name != "document"]
        with self.reading() as tx:
            names = [column.name for column in columns]
            return [to_resource(row, names) for row in tx.connection.execute(select(*columns).where(theirs))]

    def beat(self, host: str) -> Beat:
        """Say that the host is alive."""
        now = clock(self.engine.dialect.name)
        hosts = schema.host
        with self.transaction(lasting=False) as tx:
            before = tx.connection.execute(select(hosts.c.seen_at).where(hosts.c.id == host)).scalar()
            beat = insert(self.engine.dialect.name, hosts).values(id=host, seen_at=now)
            beat = beat.on_conflict_do_update(index_elements=["id"], set_={"seen_at": now})
            at = float(tx.connection.execute(beat.returning(hosts.c.seen_at)).scalar_one())
        return Beat(at, None if before is None else at - before)

    def pull_in(self, lease: float) -> None:
        """Bring back what is in the future."""
        rows, hosts = schema.resource, schema.host
        now = clock(self.engine.dialect.name)
        soon = now + 2 * lease
        with self.transaction() as tx:
            free, leased = rows.c.lease_owner.is_(None), rows.c.lease_owner.is_not(None)
            tx.connection.execute(update(rows).where(free, rows.c.due_at > now).values(due_at=now))
            due = case((rows.c.due_at > soon, soon), else_=rows.c.due_at)
            tx.connection.execute(
                update(rows).where(leased, rows.c.lease_until > soon).values(lease_until=soon, due_at=due)
            )
            tx.connection.execute(update(hosts).where(hosts.c.seen_at > now).values(seen_at=now))

    def now(self) -> float:
        """The database's clock."""
        with self.engine.connect() as connection:
            return float(connection.execute(select(clock(self.engine.dialect.name))).scalar_one())

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(url: str, hasty: bool) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        given = {name: value for name, value in PATIENCE.items() if name not in parsed.query}
        engine = create_engine(
            parsed, connect_args=given, pool_pre_ping=True, pool_size=10, max_overflow=50, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_postgresql)
        event.listen(engine, "handle_error", connections.leave_standby)
        patience = _seconds(parsed.query.get("connect_timeout", PATIENCE["connect_timeout"]))
        if hasty and patience:
            from pegbox.store.silence import hurry  # needs a driver that not all have installed

            hurry(engine, patience)
        return engine
    timeout = {} if "timeout" in parsed.query else {"timeout": connections.BUSY_SECONDS}
    file = None if "uri" in parsed.query else parsed.database
    database = DatabaseFile(file) if file else None
    alone = connections.OneWriter(WriteAheadLog(file), database)
    engine = create_engine(
        parsed,
        connect_args={"check_same_thread": False} | timeout,
        pool_size=10,
        max_overflow=100,
        pool_reset_on_return=None,  # every transaction ends before its connection is given back
        hide_parameters=True,
        execution_options={connections.ONE_WRITER: alone},
    )
    event.listen(engine, "connect", partial(_prepare_sqlite, "NORMAL" if file else "FULL"))
    event.listen(engine, "engine_disposed", alone.close)
    if database:
        database.watch(engine)
    return engine


def _seconds(given: object) -> float:
    """A parameter of libpq's; 0, as to libpq, for none."""
    try:
        return max(0.0, float(str(given)))
    except ValueError:  # the driver will say so
        return 0.0


def _prepare_postgresql(connection: Any, _: ConnectionPoolEntry) -> None:
    # A server that sleeps in the middle of a transaction must not keep its rows from the others.
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.autocommit = False


def _prepare_sqlite(synchronous: str, connection: Any, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", "cache_size=-4000"):
        connection.execute(f"PRAGMA {pragma}")
