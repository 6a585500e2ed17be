"""Entities of lineage and their associations; what training jobs contribute is read off them when somebody asks."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables, which are empty at first."""
    op.create_table(
        "entity",
        sa.Column("resource_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("type", sa.String(256), nullable=False),
        sa.Column("source_key", sa.String(32), nullable=False),
        sa.Column("is_made", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "association",
        sa.Column("source_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("destination_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("type", sa.String(32)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("is_made", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tracing",
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("region", sa.String(64), primary_key=True),
        sa.Column("seen_to", _identity, nullable=False),
    )
    op.create_table(
        "traced",
        sa.Column("job_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("has_ended", sa.Integer, nullable=False),
    )
    for name, table, columns, condition in (
        ("entity_source", "entity", ["source_key", "resource_id"], None),
        ("entity_type", "entity", ["type", "resource_id"], None),
        ("entity_asked", "entity", ["resource_id"], "is_made = 0"),
        ("association_up", "association", ["destination_id", "source_id"], None),
        ("association_created", "association", ["created_at", "source_id", "destination_id"], None),
        ("association_asked", "association", ["source_id"], "is_made = 0"),
        ("traced_living", "traced", ["job_id"], "has_ended = 0"),
    ):
        where = None if condition is None else sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
