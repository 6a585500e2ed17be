"""What training jobs read; of those that ran before nothing is known."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "dataset",
        sa.Column("id", _identity, primary_key=True, autoincrement=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("place", _text, nullable=False),
        sa.Column("place_rest", _text, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("objects", sa.BigInteger),
        sa.Column("is_whole", sa.Integer, nullable=False),
        sa.UniqueConstraint("account", "region", "digest", name="dataset_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("dataset_place", "dataset", ["account", "region", "place"])
    op.create_table(
        "dataset_object",
        sa.Column("dataset_id", _identity, sa.ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("nth", sa.Integer, primary_key=True),
        sa.Column("location", _text, nullable=False),
        sa.Column("rest", _text, nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("instance", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("dataset_object_location", "dataset_object", ["location", "dataset_id", "nth"])
    op.create_table(
        "reading",
        sa.Column("job_id", _identity, primary_key=True),
        sa.Column("created_at", sa.Double, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("channel", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("read_at", sa.Double, nullable=False),
        sa.Column("dataset_id", _identity, sa.ForeignKey("dataset.id"), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("reading_dataset", "reading", ["dataset_id", "job_id", "created_at", "attempt", "channel"])
