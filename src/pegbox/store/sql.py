"""The store over SQLAlchemy Core: one text for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, and_, case, create_engine, event, func, insert, or_, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.pool import ConnectionPoolEntry

from pegbox.store import connections, schema
from pegbox.store.base import Fenced, Kind, Resource
from pegbox.store.census import Census
from pegbox.store.credentials import Credentials
from pegbox.store.database_file import DatabaseFile
from pegbox.store.images import Images
from pegbox.store.rows import to_resource
from pegbox.store.transaction import SqlTransaction, clock
from pegbox.store.upgrade import upgrade

FAR_SECONDS = 600  #: nothing is put off for so long
BUSY_SECONDS = 30  #: how long a SQLite writer waits for another
IDLE_SECONDS = 10  #: after which PostgreSQL ends a transaction whose server does nothing
#: when PostgreSQL counts as gone (libpq, "Parameter Key Words"): seconds to connect, and on a silent connection
PATIENCE = {"connect_timeout": 10, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}


class SqlStore:
    """A Store (see store.base) in SQLite or PostgreSQL, named by an SQLAlchemy URL."""

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        self.engine = _engine(url)
        self.keys = Credentials(self.engine)
        self.images = Images(self.engine)
        self.census = Census(self.engine)
        if migrate:
            with connections.told():
                upgrade(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[SqlTransaction]:
        """Read and write."""
        with connections.writing(self.engine) as connection:
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
        near: Collection[str] = (),
        silence: float = 60.0,
    ) -> Sequence[Resource]:
        """Take due work in one statement: pick, lock, mark and return without a gap."""
        rows = schema.resource
        now = clock(self.engine.dialect.name)
        hosts = schema.host.c
        # Silent beside us: after a step of the clock, or a database that was away, everybody's beat is old.
        last = select(hosts.seen_at).where(hosts.id == host).scalar_subquery()
        alive = select(hosts.id).where(hosts.seen_at > func.coalesce(last, now) - silence)
        here = or_(rows.c.host.is_(None), rows.c.host.in_([host, *near]), rows.c.host.not_in(alive))
        free = and_(rows.c.due_at.is_not(None), rows.c.lease_until < now, here, rows.c.id.not_in(list(without)))
        wanted = rows.c.id.in_(list(only)) if only is not None else rows.c.due_at <= now
        picked = (
            select(rows.c.id)
            .where(free, wanted)
            .order_by(rows.c.lease_owner.is_(None), rows.c.due_at)  # orphans first, or they wait behind fresh work
            .limit(limit)
        )
        # A common table expression: inside IN (...), PostgreSQL may run the selection again and exceed the limit.
        locked = picked.with_for_update(skip_locked=True).cte("picked")
        taking = (
            update(rows)
            .where(rows.c.id.in_(select(locked.c.id)), free)
            # Due again when the lease ends; whoever marks it due meanwhile makes the two times differ.
            .values(lease_owner=owner, lease_until=now + lease, due_at=now + lease, epoch=rows.c.epoch + 1)
            .returning(rows)
        )
        if only is None and not self._anything(picked):
            return []
        with self.transaction() as tx:
            return [to_resource(row) for row in tx.connection.execute(taking)]

    def _anything(self, picked: Any) -> bool:
        # A look that needs no write lock: an idle server leaves the database alone.
        with connections.reading(self.engine) as connection:
            return connection.execute(picked.limit(1)).first() is not None

    def renew(self, owner: str, lease: float, identities: Collection[int]) -> None:
        """Hold work for longer."""
        rows = schema.resource
        until = clock(self.engine.dialect.name) + lease
        # In one order and without waiting: a worker may hold some of these rows in a transaction of its own.
        held = (
            select(rows.c.id)
            .where(rows.c.id.in_(list(identities)), rows.c.lease_owner == owner)
            .order_by(rows.c.id)
            .with_for_update(skip_locked=True)
            .cte("held")
        )
        due = case((rows.c.due_at == rows.c.lease_until, until), else_=rows.c.due_at)
        with self.transaction() as tx:
            tx.connection.execute(
                update(rows).where(rows.c.id.in_(select(held.c.id))).values(lease_until=until, due_at=due)
            )

    def release(self, resource: Resource, due_in: float | None) -> None:
        """Let go of work."""
        rows = schema.resource
        marked = rows.c.due_at != rows.c.lease_until
        due = None if due_in is None else clock(self.engine.dialect.name) + due_in
        mine = and_(rows.c.id == resource.id, rows.c.epoch == resource.epoch)
        with self.transaction() as tx:
            tx.connection.execute(
                update(rows)
                .where(mine)
                .values(due_at=case((marked, rows.c.due_at), else_=due), lease_owner=None, lease_until=0)
            )

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
        rows = schema.resource.c
        mine = and_(rows.id == resource.id, rows.epoch == resource.epoch, rows.lease_owner.is_not(None))
        with self.reading() as tx:
            if tx.connection.execute(select(rows.id).where(mine)).first() is None:
                raise Fenced(f"{resource.kind} {resource.name}")

    def silent(self, seconds: float) -> Sequence[Resource]:
        """One unfinished training job of each silent host."""
        rows, hosts = schema.resource.c, schema.host.c
        alive = select(hosts.id).where(hosts.seen_at > clock(self.engine.dialect.name) - seconds)
        theirs = and_(rows.kind == Kind.TRAINING_JOB.value, rows.ended_at.is_(None), rows.host.not_in(alive))
        first = select(func.min(rows.id)).where(theirs).group_by(rows.host)
        with self.reading() as tx:
            return [tx.by_id(identity) for identity in tx.connection.execute(first).scalars().all()]

    def beat(self, host: str) -> float | None:
        """Say that the host is alive."""
        now = clock(self.engine.dialect.name)
        hosts = schema.host
        with self.transaction() as tx:
            since = tx.connection.execute(select(now - hosts.c.seen_at).where(hosts.c.id == host)).scalar()
            if tx.connection.execute(update(hosts).where(hosts.c.id == host).values(seen_at=now)).rowcount == 0:
                tx.connection.execute(insert(hosts).values(id=host, seen_at=now))
        return since

    def pull_in(self, lease: float) -> None:
        """Bring back what is due or leased in the far future."""
        rows = schema.resource
        now = clock(self.engine.dialect.name)
        with self.transaction() as tx:
            free, leased = rows.c.lease_owner.is_(None), rows.c.lease_owner.is_not(None)
            tx.connection.execute(update(rows).where(free, rows.c.due_at > now + FAR_SECONDS).values(due_at=now))
            far, soon = now + FAR_SECONDS + lease, now + lease
            due = case((rows.c.due_at > soon, soon), else_=rows.c.due_at)
            tx.connection.execute(
                update(rows).where(leased, rows.c.lease_until > far).values(lease_until=soon, due_at=due)
            )

    def now(self) -> float:
        """The database's clock."""
        with self.engine.connect() as connection:
            return float(connection.execute(select(clock(self.engine.dialect.name))).scalar_one())

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        given = {name: value for name, value in PATIENCE.items() if name not in parsed.query}
        engine = create_engine(
            parsed, connect_args=given, pool_pre_ping=True, pool_size=10, max_overflow=50, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    arguments = {"check_same_thread": False} | ({} if "timeout" in parsed.query else {"timeout": BUSY_SECONDS})
    engine = create_engine(parsed, connect_args=arguments, pool_size=10, max_overflow=100, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    if parsed.database:
        DatabaseFile(parsed.database).watch(engine)
    return engine


def _prepare_postgresql(connection: Any, _: ConnectionPoolEntry) -> None:
    # A server that sleeps in the middle of a transaction must not keep its rows from the others.
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.autocommit = False


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: one that reads first and writes later could not be made to wait.
    writes = connection.get_execution_options().get("pegbox_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
