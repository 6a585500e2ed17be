"""Trial components in trials, metrics that are put to them, and jobs of which they are made."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables; they are empty until somebody asks for experiments."""
    _metrics()
    op.create_table(
        "trial_member",
        sa.Column("trial_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("component_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("trial_member_component", "trial_member", ["component_id", "trial_id"])
    op.create_table(
        "tracking",
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("region", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(64), primary_key=True),
        sa.Column("before_time", sa.Double, nullable=False),
        sa.Column("before_id", _identity, nullable=False),
    )
    op.create_table(
        "tracked",
        sa.Column("job_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    )


def _metrics() -> None:
    op.create_table(
        "metric_series",
        sa.Column("id", _identity, primary_key=True, autoincrement=True),
        sa.Column("resource_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("mean", sa.Double, nullable=False),
        sa.Column("squares", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("last", sa.Double, nullable=False),
        sa.Column("last_at", sa.Double, nullable=False),
        sa.UniqueConstraint("resource_id", "name", name="metric_series_once"),
    )
    op.create_table(
        "metric_value",
        sa.Column("series_id", _identity, sa.ForeignKey("metric_series.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("nth", sa.BigInteger, primary_key=True),
        sa.Column("step", sa.Integer),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
