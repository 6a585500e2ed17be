"""Properties of resources, for Search; they are derived by and by, so every resource counts as not yet indexed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables, and the column that says what is indexed."""
    op.add_column("resource", sa.Column("indexed_version", sa.Integer))
    dirty = sa.text("indexed_version IS NULL")
    op.create_index("resource_unindexed", "resource", ["kind", "id"], sqlite_where=dirty, postgresql_where=dirty)
    op.create_table(
        "property_name",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("count", sa.Integer, nullable=False, server_default="0"),
        sa.UniqueConstraint("account", "region", "kind", "name", name="property_name_once"),
    )
    op.create_table(
        "property",
        sa.Column("resource_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name_id", sa.Integer, primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("num", sa.Double),
        sa.Column("txt", _text),
        sa.Column("more", _text),
        sqlite_with_rowid=False,
    )
    for name, columns, where in (
        ("property_num", ["name_id", "num", "resource_id", "ordinal"], sa.text("num IS NOT NULL")),
        ("property_txt", ["name_id", "txt", "resource_id", "ordinal"], sa.text("num IS NULL")),
        ("property_long", ["name_id", "resource_id", "ordinal"], sa.text("more IS NOT NULL")),
    ):
        op.create_index(name, "property", columns, sqlite_where=where, postgresql_where=where)
