"""What SQLite and PostgreSQL say differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Double, Table, any_, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import UnaryExpression

DIALECTS = ("sqlite", "postgresql")


def clock(dialect: str) -> ColumnElement[float]:
    """The database's clock in epoch seconds; the same throughout one statement."""
    if dialect == "sqlite":
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Double)
    return cast(func.extract("epoch", func.statement_timestamp()), Double)


def insert(dialect: str, table: Table) -> Any:
    """An INSERT that may say what happens when the row is there."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def one_of(column: ColumnElement[Any], name: str, dialect: str) -> ColumnElement[bool]:
    """Whether the column's value is in the list given as `name`, however long: the statement's text stays the same."""
    if dialect == "sqlite":
        return column.in_(select(func.json_each(bindparam(name)).table_valued("value").c.value))
    return column == any_(bindparam(name, type_=ARRAY(column.type)))


def by_value(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """The column, and on SQLite nothing that an index is looked into by: it knows no better than to take any."""
    if dialect == "sqlite":
        return UnaryExpression(column, operator=operators.custom_op("+"), type_=column.type)
    return column
