"""Trouble that needs no traceback: what it is, in one line, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import TracebackType

FULL = {errno.EDQUOT, errno.ENOSPC}
#: of files: the home, or something in it, is not there or not ours
OF_FILES = {
    errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR,
    errno.EPERM, errno.EROFS,
}  # fmt: skip
OF_URLS = {"ArgumentError", "NoSuchModuleError"}
OF_DATABASES = {"DatabaseError", "InterfaceError", "OperationalError", "TimeoutError"}
OF_CLIENTS = ("pegbox.client.", "pegbox.background", "botocore.", "s3transfer.")
OF_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError"}
NO_PRIVILEGE = "42501"  #: SQLSTATE of PostgreSQL


def told(error: Exception) -> str | None:
    """One line about an expected fault, None about any other.  Passwords of database URLs are not in it."""
    from pegbox.settings import SettingsError

    if isinstance(error, SettingsError):
        return _line(error)
    if type(error).__name__ in ("MaintenanceError", "SourceError"):
        return _line(error)
    if type(error).__module__.startswith(OF_CLIENTS):
        return _of_clients(error)
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{error.filename or 'the disk of the home'}: {error.strerror}; make room on it"
    if isinstance(error, OSError) and error.errno in OF_FILES and error.filename is not None:
        return f"{error.filename}: {error.strerror}; --home or PEGBOX_HOME names a directory that you may write to"
    return _of_database(error)


def _of_clients(error: Exception) -> str:
    """What a command for people met: a file that asks for nothing, no server, a refusal."""
    from pegbox.client.connection import is_loss

    name = type(error).__name__
    if hasattr(error, "response"):  # a ClientError, whose class depends on its code
        told = error.response["Error"]
        return f"{_line(told.get('Message', ''))} ({told.get('Code', '')})"
    if is_loss(error):
        return f"no server answers ({_line(error)}): see AWS_ENDPOINT_URL; without it the home's own server is asked"
    if name in OF_CREDENTIALS:
        return f'{_line(error)}: eval "$(pegbox env)" names the key of the home, pegbox keys add makes another'
    return str(error) if name == "RequestFaults" else _line(error)


def _of_database(error: Exception) -> str | None:
    # By name: a command that never touches the database does not import what it is made of.
    name = type(error).__name__
    where = set(_modules(error.__traceback__))
    if name in ("SchemaTooNew", "IndexTooNew", "IndexLost", "IndexUnusable"):
        return _line(error)
    if name in OF_URLS or (isinstance(error, ValueError) and "sqlalchemy.engine.url" in where):
        reason = f": {_line(error)}" if name in OF_URLS else ""
        return f"database_url is no SQLAlchemy URL{reason}; give for example postgresql+psycopg://user@host/database"
    if isinstance(error, ImportError) and any(each.startswith("sqlalchemy.dialects.") for each in where):
        return (
            f"{_line(error)}; database_url needs this driver: pip install 'pegbox[postgres]', postgresql+psycopg://..."
        )
    cause = getattr(error, "orig", None) or error
    if name == "Full":
        return f"the database does not work: {_line(cause)}; make room on its disk"
    if name == "Damaged":
        return f"the database is damaged: {_line(cause)}; see pegbox doctor, and pegbox restore for a backup"
    ours = "Unavailable" in {each.__name__ for each in type(error).__mro__} or (
        type(error).__module__ == "sqlalchemy.exc" and name in OF_DATABASES
    )
    if ours or getattr(cause, "sqlstate", None) == NO_PRIVILEGE:
        return f"the database does not work: {_line(cause)}; see the settings database_url and home, and that it is up"
    return None


def _line(error: object) -> str:
    return " ".join(str(error).split())


def _modules(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        yield str(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
