"""Trouble with the database itself, told apart from everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from pegbox.store.base import Unavailable


@contextmanager
def told() -> Iterator[None]:
    """Raise Unavailable for a database that does not answer, is full, stays locked or has no connection left."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(str(error.orig)) from error
    except TimeoutError as error:
        raise Unavailable("no connection became free") from error
