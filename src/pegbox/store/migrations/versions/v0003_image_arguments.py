"""Images have arguments with hyperparameters in them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add image.arguments."""
    op.add_column("image", sa.Column("arguments", sa.Text, nullable=False, server_default="[]"))
