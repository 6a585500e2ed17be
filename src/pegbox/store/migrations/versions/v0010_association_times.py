"""The associations of one entity lie in the order of their times, so a page of very many of them is read at once."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the indexes."""
    op.drop_index("association_up", "association")
    op.create_index("association_up", "association", ["destination_id", "created_at", "source_id"])
    op.create_index("association_down", "association", ["source_id", "created_at", "destination_id"])
