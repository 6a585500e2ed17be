"""The index of texts holds the number, too, so that SQLite reads nothing else: it asks for the number of each entry."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the index anew."""
    where = sa.text("num IS NULL")
    op.drop_index("property_txt", "property")
    columns = ["name_id", "txt", "resource_id", "ordinal", "num"]
    op.create_index("property_txt", "property", columns, sqlite_where=where, postgresql_where=where)
