"""Unpacking archives that others have packed, while they stream, with limits on all that an archive can ask for.

Refused are names that lead out, members behind links, devices and pipes, sparse files, and more members, bytes, depth
or compression than a source archive has.  Nothing is left of an archive that is refused.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pegbox.engine.faults import ClientFault

MOST_MEMBERS = 100_000  #: folders that names imply are counted, too
FOLDER = 4096  #: bytes that a folder takes, at least
DEEPEST = 64  #: parts of a name
LONGEST_NAME = 1024  #: bytes
LARGEST_HEADER = 1 << 20  #: bytes of an extended header, which is read into memory
ALWAYS = 64 << 20  #: bytes that may be unpacked of however few
MOST_RATIO = 200  #: bytes unpacked of one, beyond that
_STEP = 1 << 16
_EXTENDED = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)


def unpack(file: BinaryIO, into: Path, most: int) -> None:
    """Unpack a .tar.gz of at most `most` bytes of files into a new directory.

    Raises ClientFault for what is refused; tarfile.TarError, EOFError, OSError for what is damaged.
    """
    into.mkdir(parents=True)
    try:
        source = _Unzipped(file)
        with tarfile.open(fileobj=source, mode="r|", tarinfo=_Member) as archive:
            _Unpacking(archive, source, into, most).run()
    except RecursionError:  # tarfile reads a header that follows an extended one by itself
        shutil.rmtree(into, ignore_errors=True)
        raise ClientFault("it has headers without end") from None
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


class _Unzipped(io.RawIOBase):
    """A gzip file that is read while it is measured."""

    def __init__(self, file: BinaryIO) -> None:
        self._packed = _Counted(file)
        self._plain = gzip.GzipFile(fileobj=self._packed, mode="rb")
        self._unpacked = 0
        self.budget = 4 * LARGEST_HEADER  #: bytes that may be read before somebody gives more

    def read(self, size: int = -1) -> bytes:
        """The next bytes.  Raises ClientFault when they are too many."""
        data = self._plain.read(min(size, _STEP) if size >= 0 else _STEP)
        self._unpacked += len(data)
        self.budget -= len(data)
        if self.budget < 0:
            raise ClientFault("it has a header that is too large")
        if self._unpacked > ALWAYS and self._unpacked > MOST_RATIO * self._packed.count:
            raise ClientFault(f"it unpacks to more than {MOST_RATIO} times its size")
        return data


class _Counted(io.RawIOBase):
    """Counts what is read of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.count = file, 0

    def readable(self) -> bool:
        """For gzip."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._file.read(size)
        self.count += len(data)
        return data


class _Member(tarfile.TarInfo):
    """A member whose extended headers are small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """Read a header."""
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > LARGEST_HEADER:
            raise ClientFault("it has a header that is too large")
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise ClientFault("it has a sparse file")
        return member


class _Unpacking:
    """One archive on its way to a directory."""

    def __init__(self, archive: tarfile.TarFile, source: _Unzipped, into: Path, most: int) -> None:
        self._archive, self._source, self._into, self._left = archive, source, into, most
        self._most = most
        self._count = 0
        self._folders = {PurePosixPath()}
        self._files: set[PurePosixPath] = set()
        self._links: set[PurePosixPath] = set()

    def run(self) -> None:
        """Unpack member by member."""
        while True:
            self._source.budget = 4 * LARGEST_HEADER
            member = self._archive.next()
            if member is None:
                return
            self._check(member)
            self._source.budget = member.size + 4 * LARGEST_HEADER
            try:
                self._archive.extract(member, self._into, filter="data")
            except (ValueError, OverflowError) as error:  # a time, for instance, that no clock has
                raise ClientFault(f"[{_shown(member)}] can be no file: {error}") from None
            self._archive.members = []  # type: ignore[attr-defined]  # which it keeps for ever

    def _check(self, member: tarfile.TarInfo) -> None:
        path = PurePosixPath(member.name.lstrip("/"))
        shown = _shown(member)
        if len(member.name.encode(errors="surrogateescape")) > LONGEST_NAME or len(path.parts) > DEEPEST:
            raise ClientFault(f"the name [{shown}] is too long or too deep")
        if ".." in path.parts or "\0" in member.name:
            raise ClientFault(f"the name [{shown}] leads out of it")
        if any(parent in self._links for parent in path.parents) or (path in self._links and not member.issym()):
            raise ClientFault(f"[{shown}] lies behind a link")
        self._count_in(path, member.isdir())
        self._check_kind(member, path, shown)

    def _count_in(self, path: PurePosixPath, is_folder: bool) -> None:
        """Count a member, and the folders that are made for it: a short name can have many of them."""
        implied = {*path.parents} - self._folders
        made = implied | ({path} - self._folders if is_folder else set())
        self._count += 1 + len(implied)
        if self._count > MOST_MEMBERS:
            raise ClientFault(f"it has more than {MOST_MEMBERS} members and folders")
        self._take(len(made) * FOLDER)
        self._folders |= made

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ClientFault(f"its files and folders have more than {self._most} bytes")

    def _check_kind(self, member: tarfile.TarInfo, path: PurePosixPath, shown: str) -> None:
        if member.isdir():
            return
        if member.issym():
            self._links.add(path)
        elif member.islnk():
            if PurePosixPath(member.linkname.lstrip("/")) not in self._files:
                raise ClientFault(f"[{shown}] is a link to nothing that has been unpacked")
        elif not member.isreg() or member.issparse():
            raise ClientFault(f"[{shown}] is neither a file nor a folder nor a link")
        else:
            self._take(member.size)
            self._files.add(path)


def _shown(member: tarfile.TarInfo) -> str:
    return member.name[:200].encode(errors="backslashreplace").decode()
