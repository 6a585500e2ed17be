"""What a contained program sees of the machine's files.

Read-only: the system, its Python, the program.  Writable: its instance's directory, an empty /tmp and home of its own,
the working directory of the image, and what the image binds.  Everything else is not there: other folders of the user,
the server's home, other jobs.  A hidden folder inside a visible one is covered by an empty one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pegbox.runner import installation, layout
from pegbox.runner.job import Job

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "sys", "nix", "gnu")
LOOKED_UP = ("run/current-system", "run/opengl-driver", "run/nvidia-persistenced")  #: parts of the system in /run
_OWN = ("proc", "sys", "dev")  #: built anew for each job: nobody's working directory

#: Of a home directory: what gives access elsewhere.  Covered where the home is visible, unless bound by name.
CREDENTIALS = (
    ".aws", ".azure", ".boto", ".config/gcloud", ".config/gh", ".config/rclone", ".docker", ".git-credentials",
    ".gnupg", ".kube", ".local/share/keyrings", ".netrc", ".oci", ".password-store", ".pgpass", ".pypirc", ".s3cfg",
    ".ssh", ".vault-token",
)  # fmt: skip
#: Of /etc and /sys: what root could read and a program has no business with.
ROOTS_OWN = (
    "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssh",
    "/etc/ssl/private", "/etc/krb5.keytab", "/sys/firmware", "/sys/kernel/debug", "/sys/kernel/tracing",
    "/sys/kernel/security",
)  # fmt: skip


class Kind(Enum):
    """How strongly something is visible; of two at one place the later counts."""

    SYSTEM = 1
    READABLE = 2
    PRIVATE = 3  #: an empty folder of the instance's own
    WORKDIR = 4
    COVERED = 5  #: credentials
    BOUND = 6  #: by name, with --bind
    HIDDEN = 7
    INSTANCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One place of the view."""

    target: Path
    source: Path | None  #: None: covered by something empty
    kind: Kind
    writable: bool = False


def of(job: Job, host: str, environment: Mapping[str, str]) -> list[Entry]:
    """All places that the program of an instance sees, those above before those below."""
    found: dict[Path, Entry] = {}
    for entry in (*_system(), *_readable(job, host), *_writable(job, host, environment)):
        known = found.get(entry.target)
        if entry.source is not None and (known is None or known.kind.value <= entry.kind.value):
            found[entry.target] = entry
    shown = list(found.values())
    for entry in _covers(job, environment, shown):
        known = found.get(entry.target)
        if known is None or known.kind.value < entry.kind.value:
            found[entry.target] = entry
    found |= {entry.target: entry for entry in _instance(job, host)}
    return sorted(_needed(found), key=lambda entry: len(entry.target.parts))


def _instance(job: Job, host: str) -> Iterator[Entry]:
    home = layout.home(job, host)
    yield Entry(target=home, source=home, kind=Kind.INSTANCE, writable=True)
    yield Entry(target=Path(layout.OPT_ML), source=home / "ml", kind=Kind.INSTANCE, writable=True)
    if os.path.exists("/etc/hosts"):
        yield Entry(target=Path("/etc/hosts"), source=job.directory / layout.HOSTS, kind=Kind.INSTANCE)


def _system() -> Iterator[Entry]:
    for place in (Path("/", name) for name in (*SYSTEM, *LOOKED_UP)):
        if os.path.exists(place) and not os.path.islink(place):
            yield Entry(target=place, source=place, kind=Kind.SYSTEM)
    if os.path.isdir("/opt"):
        for place in Path("/opt").iterdir():
            if os.path.exists(place):
                yield Entry(target=place, source=Path(os.path.realpath(place)), kind=Kind.SYSTEM)
    resolver = Path(os.path.realpath("/etc/resolv.conf"))  # where a service writes it, /etc has a link only
    if os.path.exists(resolver) and not resolver.is_relative_to("/etc"):
        yield Entry(target=resolver, source=resolver, kind=Kind.SYSTEM)


def _readable(job: Job, host: str) -> Iterator[Entry]:
    workdir = layout.workdir(job, host)
    known = {**job.inherited, **job.image_environment}
    places = [*installation.own(), *_on_path(known)]
    for word in job.paths:
        places += _program(workdir / word, known.get("HOME", "/"))
    for place in places:
        yield from _shown(place, Kind.READABLE)


def _on_path(known: Mapping[str, str]) -> Iterator[Path]:
    """Folders in which programs and libraries are looked for, with what a Python found there needs."""
    if prefix := known.get("VIRTUAL_ENV"):
        yield from installation.of(Path(prefix, "bin/python"))
    for folder in known.get("PATH", "").split(os.pathsep):
        if os.path.isabs(folder) and not _is_system(Path(folder)):
            yield from installation.of(Path(folder, "python3"))
    for name in ("LD_LIBRARY_PATH", "PYTHONPATH"):
        yield from (Path(folder) for folder in known.get(name, "").split(os.pathsep) if os.path.isabs(folder))
    if home := known.get("HOME"):
        yield Path(home, ".local/lib")  # pip install --user


def _program(path: Path, home: str) -> Iterator[Path]:
    """An interpreter with what belongs to it; a script with its folder, if that is not a whole home."""
    path = Path(os.path.normpath(path))
    if not os.path.exists(path) or _is_system(path):
        return
    if os.path.isdir(path):
        yield path
    elif path.parent.name in ("bin", "shims"):
        yield from installation.of(path)
    elif Path(home).is_relative_to(path.parent) or path.parent == Path("/"):
        yield path
    else:
        yield path.parent


def _writable(job: Job, host: str, environment: Mapping[str, str]) -> Iterator[Entry]:
    own = layout.home(job, host)
    for name in ("/tmp", "/var/tmp"):
        yield Entry(target=Path(name), source=own / "tmp", kind=Kind.PRIVATE, writable=True)
    home = environment.get("HOME", "")
    if os.path.isabs(home) and len(Path(home).parts) > 1 and not _is_system(Path(home)):
        yield Entry(target=Path(os.path.normpath(home)), source=own / "home", kind=Kind.PRIVATE, writable=True)
    workdir = layout.workdir(job, host)
    if os.path.isdir(workdir) and not workdir.is_relative_to(own):
        yield from _shown(workdir, Kind.WORKDIR, writable=True)
    for text in job.binds:
        path = text.removesuffix(":ro")
        yield from _shown(Path(path), Kind.BOUND, writable=path == text)


def _shown(place: Path, kind: Kind, *, writable: bool = False) -> Iterator[Entry]:
    """A path as it is written and, if links are in it, where it really lies."""
    real = Path(os.path.realpath(place))
    if len(real.parts) < 2 or not os.path.exists(real) or real.parts[1] in _OWN:
        return
    yield Entry(target=real, source=real, kind=kind, writable=writable)
    place = Path(os.path.normpath(place))
    if place != real and place.parts[1] not in _OWN:
        yield Entry(target=place, source=real, kind=kind, writable=writable)


def _covers(job: Job, environment: Mapping[str, str], shown: Iterable[Entry]) -> Iterator[Entry]:
    """Whatever is secret and lies below something visible, wherever that is shown."""
    homes = {job.inherited.get("HOME", ""), environment.get("HOME", "")} - {""}
    secret: dict[Path, Kind] = {Path(home, name): Kind.COVERED for home in homes for name in CREDENTIALS}
    if os.geteuid() == 0:
        secret |= {Path(name): Kind.COVERED for name in ROOTS_OWN}
    secret |= {Path(name): Kind.HIDDEN for name in (*job.hidden, str(job.directory))}
    shown = [entry for entry in shown if entry.source is not None]
    for place, kind in secret.items():
        real = Path(os.path.realpath(place))
        if not os.path.exists(real):
            continue
        for entry in shown:
            if entry.source is not None and real.is_relative_to(entry.source):
                yield Entry(target=entry.target / real.relative_to(entry.source), source=None, kind=kind)


def _needed(found: Mapping[Path, Entry]) -> Iterator[Entry]:
    """Without what is merely readable and shown already by the place above it."""
    for entry in found.values():
        above = next((found[place] for place in entry.target.parents if place in found), None)
        known = None if above is None or above.source is None else above.source / entry.target.relative_to(above.target)
        if entry.kind is not Kind.READABLE or known != entry.source:
            yield entry


def _is_system(path: Path) -> bool:
    return len(path.parts) > 1 and path.parts[1] in SYSTEM
