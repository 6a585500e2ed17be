"""Resources, metric points, hosts, access keys and images."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the first tables."""
    _resource()
    op.create_table(
        "point",
        sa.Column("resource_id", _identity, sa.ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("metric", sa.String(255), nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("point_metric", "point", ["resource_id", "metric", "at"])
    op.create_table(
        "host",
        sa.Column("id", sa.String(256), primary_key=True),
        sa.Column("seen_at", sa.Double, nullable=False),
    )
    op.create_table(
        "access_key",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("secret", sa.String(128), nullable=False),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_table(
        "image",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("workdir", sa.Text),
        sa.Column("environment", sa.Text, nullable=False, server_default="{}"),
        sa.Column("python", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
    )


def _resource() -> None:
    op.create_table(
        "resource",
        sa.Column("id", _identity, primary_key=True, autoincrement=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("key", sa.String(256), nullable=False),
        sa.Column("parent_id", _identity),
        sa.Column("number", sa.Integer),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("outcome", sa.String(32)),
        sa.Column("objective", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("modified_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("host", sa.String(256)),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("due_at", sa.Double),
        sa.Column("lease_owner", sa.String(64)),
        sa.Column("lease_until", sa.Double, nullable=False, server_default="0"),
        sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.UniqueConstraint("account", "region", "kind", "key", name="resource_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("resource_created", "resource", ["account", "region", "kind", "created_at", "id"])
    op.create_index("resource_child", "resource", ["parent_id", "number"])
    due, live = sa.text("due_at IS NOT NULL"), sa.text("ended_at IS NULL")
    op.create_index("resource_due", "resource", ["due_at"], sqlite_where=due, postgresql_where=due)
    op.create_index("resource_live", "resource", ["kind", "host", "id"], sqlite_where=live, postgresql_where=live)
