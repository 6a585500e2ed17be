"""The Tracking (see store.tracking) of a transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from pegbox.store.made import Made
from pegbox.store.measurements import Measurements
from pegbox.store.members import Members


class SqlTracking(Members, Measurements, Made):
    """All of it on one connection."""

    def __init__(self, connection: Connection) -> None:
        Made.__init__(self, connection)
