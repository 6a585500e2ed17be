"""Images bind further folders."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add image.binds."""
    op.add_column("image", sa.Column("binds", sa.Text, nullable=False, server_default="[]"))
