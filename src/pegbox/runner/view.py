"""What a contained program sees of the machine's files.

Read-only: the system, its Python, the program.  Writable: its instance's directory, an empty /tmp and home of its own,
the working directory of the image, and what the image binds.  Everything else is not there: other folders of the user,
the server's home, other jobs.  A hidden folder inside a visible one is covered by an empty one.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from stat import S_IROTH, S_ISDIR, S_IXOTH

from pegbox.runner import installation, layout
from pegbox.runner.job import Job

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "sys", "nix", "gnu")
LOOKED_UP = ("run/current-system", "run/opengl-driver", "run/nvidia-persistenced")  #: parts of the system in /run
_MISSED = re.compile(r"No such file or directory: ['\"](/[^'\"\n]+)['\"]|(?m:^ClientError: cannot run '(/[^']+)')")
_OWN = ("proc", "sys", "dev")  #: built anew for each job: nobody's working directory

#: Of a home directory: what gives access elsewhere.  Covered where the home is visible, unless bound by name.
CREDENTIALS = (
    ".aws", ".azure", ".boto", ".config/gcloud", ".config/gh", ".config/rclone", ".docker", ".git-credentials",
    ".gnupg", ".kube", ".local/share/keyrings", ".netrc", ".oci", ".password-store", ".pgpass", ".pypirc", ".s3cfg",
    ".ssh", ".vault-token",
)  # fmt: skip
#: Of /etc and /sys: what a program of root's has no business with, whoever may read it.
ROOTS_OWN = (
    "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssh",
    "/etc/ssl/private", "/etc/krb5.keytab", "/sys/firmware", "/sys/kernel/debug", "/sys/kernel/tracing",
    "/sys/kernel/security",
)  # fmt: skip
#: Where root's programs see only what others may read, too: place -> how many levels of folders are looked at.
FOR_ALL = {"/etc": 20, "/usr/local/etc": 20, "/opt": 2, "/sys": 2}


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
    """One place of the view; paths are absolute, and plain text: thousands of looks at them have to be quick."""

    target: str
    source: str | None  #: None: covered by something empty
    kind: Kind
    writable: bool = False
    inside: bool = True  #: something that is shown lies above it


def of(job: Job, host: str, environment: Mapping[str, str]) -> list[Entry]:
    """All places that the program of an instance sees, those above before those below."""
    found: dict[str, Entry] = {}
    for entry in (*_system(), *_readable(job, host), *_writable(job, host, environment)):
        known = found.get(entry.target)
        if known is None or known.kind.value <= entry.kind.value:
            found[entry.target] = entry
    shown = list(found.values())
    for entry in _covers(job, environment, shown):
        known = found.get(entry.target)
        if known is None or known.kind.value < entry.kind.value:
            found[entry.target] = entry
    found |= {entry.target: entry for entry in _instance(job, host)}
    return sorted(_needed(found), key=lambda entry: entry.target.count("/"))


def _instance(job: Job, host: str) -> Iterator[Entry]:
    home = str(layout.home(job, host))
    yield Entry(target=home, source=home, kind=Kind.INSTANCE, writable=True)
    yield Entry(target=str(layout.OPT_ML), source=f"{home}/ml", kind=Kind.INSTANCE, writable=True)
    for name in layout.streamed(job):
        source = f"{home}/ml/input/data/{name}"
        if os.path.isdir(source):  # its size does not count, so nothing may be written there
            for place in (source, f"{layout.OPT_ML}/input/data/{name}"):
                yield Entry(target=place, source=source, kind=Kind.INSTANCE)
    if os.path.exists("/etc/hosts"):
        yield Entry(target="/etc/hosts", source=str(job.directory / layout.HOSTS), kind=Kind.INSTANCE)


def _system() -> Iterator[Entry]:
    for place in (f"/{name}" for name in (*SYSTEM, *LOOKED_UP)):
        if os.path.exists(place) and not os.path.islink(place):
            yield Entry(target=place, source=place, kind=Kind.SYSTEM)
    if os.path.isdir("/opt"):
        for place in (f"/opt/{name}" for name in os.listdir("/opt")):
            if os.path.exists(place):
                yield Entry(target=place, source=os.path.realpath(place), kind=Kind.SYSTEM)
    resolver = os.path.realpath("/etc/resolv.conf")  # where a service writes it, /etc has a link only
    if os.path.exists(resolver) and not resolver.startswith("/etc/"):
        yield Entry(target=resolver, source=resolver, kind=Kind.SYSTEM)


def _readable(job: Job, host: str) -> Iterator[Entry]:
    workdir = layout.workdir(job, host)
    known = {**job.inherited, **job.image_environment}
    places = [*installation.own(), *_on_path(known)]
    for word in job.paths:
        places += _program(str(workdir / word), known.get("HOME", "/"))
    for place in places:
        yield from _shown(place, Kind.READABLE)


def _on_path(known: Mapping[str, str]) -> Iterator[str]:
    """Folders in which programs and libraries are looked for, with what a Python found there needs."""
    if prefix := known.get("VIRTUAL_ENV"):
        yield from installation.of(f"{prefix}/bin/python")
    for folder in known.get("PATH", "").split(os.pathsep):
        if os.path.isabs(folder) and not _is_system(folder):
            yield from installation.of(f"{folder}/python3")
    for name in ("LD_LIBRARY_PATH", "PYTHONPATH"):
        yield from filter(os.path.isabs, known.get(name, "").split(os.pathsep))
    if home := known.get("HOME"):
        yield f"{home}/.local/lib"  # pip install --user


def _program(path: str, home: str) -> Iterator[str]:
    """An interpreter with what belongs to it; a script with its folder, if that is not a whole home."""
    path = os.path.normpath(path)
    folder = os.path.dirname(path)
    if not os.path.exists(path) or _is_system(path):
        return
    if os.path.isdir(path):
        yield path
    elif os.path.basename(folder) in ("bin", "shims"):
        yield from installation.of(path)
    elif _is_below(home, folder):
        yield path
    else:
        yield folder


def _writable(job: Job, host: str, environment: Mapping[str, str]) -> Iterator[Entry]:
    own = str(layout.home(job, host))
    for name in ("/tmp", "/var/tmp"):
        yield Entry(target=name, source=f"{own}/tmp", kind=Kind.PRIVATE, writable=True)
    home = os.path.normpath(environment.get("HOME", ""))
    if os.path.isabs(home) and home != "/" and not _is_system(home):
        yield Entry(target=home, source=f"{own}/home", kind=Kind.PRIVATE, writable=True)
    workdir = str(layout.workdir(job, host))
    if os.path.isdir(workdir) and not _is_below(workdir, own):
        yield from _shown(workdir, Kind.WORKDIR, writable=True)
    for text in job.binds:
        path = text.removesuffix(":ro")
        real = os.path.realpath(path)
        if not any(_is_below(real, os.path.realpath(place)) for place in job.hidden):  # not even by name
            yield from _shown(path, Kind.BOUND, writable=path == text)


def _shown(place: str, kind: Kind, *, writable: bool = False) -> Iterator[Entry]:
    """A path as it is written and, if links are in it, where it really lies."""
    real = os.path.realpath(place)
    if real == "/" or not os.path.exists(real) or _first(real) in _OWN:
        return
    yield Entry(target=real, source=real, kind=kind, writable=writable)
    place = os.path.normpath(place)
    if place != real and _first(place) not in _OWN:
        yield Entry(target=place, source=real, kind=kind, writable=writable)


def _covers(job: Job, environment: Mapping[str, str], shown: Sequence[Entry]) -> Iterator[Entry]:
    """Whatever is secret and lies below something visible, wherever that is shown."""
    homes = {job.inherited.get("HOME", ""), environment.get("HOME", "")} - {""}
    secret = {f"{home}/{name}": Kind.COVERED for home in homes for name in CREDENTIALS}
    if os.geteuid() == 0:
        secret |= dict.fromkeys((*ROOTS_OWN, *_closed(shown)), Kind.COVERED)
    secret |= dict.fromkeys((*job.hidden, str(job.directory)), Kind.HIDDEN)
    for place, kind in secret.items():
        if not os.path.exists(place):
            continue
        real = os.path.realpath(place)
        for entry in shown:
            if entry.source is not None and _is_below(real, entry.source):
                yield Entry(target=entry.target + real[len(entry.source) :], source=None, kind=kind)


def _closed(shown: Sequence[Entry]) -> Iterator[str]:
    """What root could read of the system and others may not, unless it is in something that is shown by its name."""
    named = [entry.source for entry in shown if entry.source is not None and entry.kind is not Kind.SYSTEM]
    for place, depth in FOR_ALL.items():
        for path in _closed_below(place, depth):
            if not any(_is_below(path, source) for source in named):
                yield path


def _closed_below(folder: str, depth: int) -> Iterator[str]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError:  # removed meanwhile
                continue
            needed = S_IROTH | S_IXOTH if S_ISDIR(mode) else S_IROTH
            if mode & needed != needed:
                yield entry.path
            elif S_ISDIR(mode) and depth > 1:
                yield from _closed_below(entry.path, depth - 1)


def _needed(found: Mapping[str, Entry]) -> Iterator[Entry]:
    """Without what is merely readable and shown already by the place above it, and what a link in it leads to."""
    for entry in found.values():
        above = next((found[place] for place in _above(entry.target) if place in found), None)
        known = None if above is None or above.source is None else above.source + entry.target[len(above.target) :]
        is_linked = known is not None and known != entry.source and os.path.realpath(known) == entry.source
        if not is_linked and (entry.kind is not Kind.READABLE or known != entry.source):
            yield entry if above is not None else replace(entry, inside=False)


def hint(job: Job, said: str) -> str:
    """What to do about a file that a contained program missed and that is there for us; "" for nothing."""
    for groups in _MISSED.findall(said) if job.contain else ():
        path = next(filter(None, groups))
        is_ours = any(_is_below(path, folder) for folder in (*job.hidden, str(job.directory)))
        if os.path.exists(path) and not is_ours:
            return f"{path} is not visible to this job: see pegbox image add --bind"
    return ""


def _above(path: str) -> Iterator[str]:
    while (path := path.rpartition("/")[0]) != "":
        yield path


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _first(path: str) -> str:
    return path.split("/", 2)[1]


def _is_system(path: str) -> bool:
    return _first(path) in SYSTEM
