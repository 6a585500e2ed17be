"""Whose properties were written, so that columns in memory can follow."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "property_change",
        sa.Column("seq", _identity, primary_key=True, autoincrement=True),
        sa.Column("first_id", sa.BigInteger, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
