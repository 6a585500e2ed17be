"""Every setting, in one place.

A setting `name` comes from, in this order: the command line, the environment variable `PEGBOX_NAME`, the key `name` of
`pegbox.toml` in the home directory, the default below.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from pegbox import crashpoints

LIMITS = ("memory", "disk", "processes", "cpu")
CONTAINMENTS = ("auto", "require", "off")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "console", "logfmt", "json")
METRICS = ("on", "off", "loopback")

RESTORING = "restoring"  #: a file in a home whose restore is not finished
DATABASES = ("sqlite", "postgresql")
LEAST_LOG = 1 << 16  #: bytes
LEAST_POINTS = 1000
LEAST_BODY = 1024  #: bytes; the smallest request that does something is near it

#: what a value of each type is called
EXPECTED: Mapping[type, str] = {bool: "on or off", int: "a whole number", float: "a number", str: "text"}


class SettingsError(Exception):
    """A setting is unknown or has an unusable value; the message names it and where it came from."""


def _default_slots() -> int:
    """Two jobs a core, at least four, and half a gigabyte of memory for each."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 4 << 30
    return max(1, min(max(4, 2 * (os.cpu_count() or 1)), memory // (512 << 20)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server runs."""

    #: Where all state lives.
    home: Path = field(default_factory=lambda: Path(platformdirs.user_data_dir("pegbox", appauthor=False)))
    #: The address to listen on.
    host: str = "127.0.0.1"
    #: The port to listen on; 0 takes a free one.
    port: int = 8420
    #: Whether signatures are verified. Off is allowed on loopback only.
    auth: bool = True
    #: The account of the first access key, and of every caller when signatures are not verified.
    account_id: str = "000000000000"
    #: The region printed by `pegbox env`; requests name their own.
    region: str = "us-east-1"
    #: SQLAlchemy URL of the database; empty means SQLite under the home.
    database_url: str = field(default="", repr=False)  # it may hold a password
    #: Seconds for which a server that starts waits for its PostgreSQL; 0 waits for nothing.
    database_wait: float = 30.0
    #: Training jobs at once on this host.
    slots: int = field(default_factory=_default_slots)
    #: MaxParallelTrainingJobs of a tuning job; more are refused with ResourceLimitExceeded.
    parallel_training_jobs: int = 100
    #: Tuning jobs of an account and region at once; one more is refused with ResourceLimitExceeded.
    tuning_jobs: int = 100
    #: Days after which a tuning job ends, whatever MaxRuntimeInSeconds it was given, and if it was given none.
    tuning_days: float = 30.0
    #: Changes of hyperparameters that are allowed between a warm started tuning job and each of its parents.
    warm_start_changes: int = 10
    #: Endpoint of an S3 store to use instead of the built-in one.
    s3_endpoint: str = ""
    #: Days without a new part after which an upload that nobody completes is removed; 0 keeps it.
    upload_days: float = 7.0
    #: Folders, separated by colons, that file:// inputs and outputs may name.
    file_roots: str = "/"
    #: Python that runs script-mode jobs; empty means the one that runs pegbox.
    python: str = ""
    #: Whether programs run in a cell of their own: auto (where the machine allows it), require or off.
    containment: str = "auto"
    #: What of an instance type and a VolumeSizeInGB limits programs: of memory, disk, processes and cpu, or none.
    limits: str = "memory,disk,processes"
    #: Seconds between two looks at everything that is due.
    tick: float = 1.0
    #: Seconds for which a server holds the work it has taken.
    lease: float = 15.0
    #: Seconds without a sign of life of a home on another machine after which its training jobs count as lost.
    silence: float = 60.0
    #: Seconds a strategy may take to propose before a random configuration is used instead.
    propose_timeout: float = 60.0
    #: Whether tuning jobs of Strategy Hyperband that are created from now on ask a model instead of drawing at random.
    hyperband_model: bool = False
    #: Whether a search expression may have one Contains only, as in SageMaker.
    one_contains: bool = False
    #: Seconds between TERM and KILL of a training job that is being stopped.
    stop_grace: float = 120.0
    #: Seconds between two uploads of new checkpoints.
    checkpoint_interval: float = 30.0
    #: Seconds for which a job waits for an object store or a disk that is in its way before it fails.
    patience: float = 600.0
    #: Largest log of an instance, in bytes. Of a longer one the beginning and the end are kept.
    most_log: int = 4 << 30
    #: Metric values that are kept of an attempt at a training job. Of more, fewer and fewer are, but the last of each.
    metric_points: int = 1_000_000
    #: Days to keep the logs of training jobs that have ended; 0 keeps them for ever.
    keep_logs_days: float = 0.0
    #: Days to keep the metric points of training jobs that have ended; 0 keeps them for ever.
    keep_points_days: float = 0.0
    #: Days to keep what training jobs have read, after which `pegbox audit` knows nothing of it; 0 keeps it for ever.
    keep_readings_days: float = 0.0
    #: Largest body of a JSON or query request, in bytes.
    max_body: int = 4 << 20
    #: Seconds that a client may stall in a request; a third of it for the head.
    client_timeout: float = 60.0
    #: Least severe level that is logged: debug, info, warning or error.
    log_level: str = "info"
    #: Form of the log: console, logfmt, json, or auto, which is console on a terminal and logfmt elsewhere.
    log_format: str = "auto"
    #: Who may read `/metrics` without a signature: on is everybody, loopback this machine, off nobody.
    metrics: str = "loopback"

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.home / 'pegbox.db'}"

    @property
    def limited(self) -> set[str]:
        """The kinds of limits that hold."""
        return {kind.strip() for kind in self.limits.split(",")} - {"none", ""}

    @property
    def sqlite_at_home(self) -> bool:
        """Whether the database lies in the home, as it does unless something else is said."""
        return self.database == f"sqlite:///{self.home / 'pegbox.db'}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host == "localhost" or is_loopback(self.host)


def is_loopback(address: str) -> bool:
    """Whether an address is that of this machine itself; what is no address is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def is_account(text: str) -> bool:
    """Whether it can be the number of an account."""
    return re.fullmatch(r"[0-9]{12}", text) is not None


def load(given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings from command line (`given`; None values are absent), environment and file.  Raises SettingsError."""
    environment = os.environ if environment is None else environment
    values = {name: value for name, value in (given or {}).items() if value is not None}
    sources = {name: f"--{name.replace('_', '-')}" for name in values}
    for item in fields(Settings):
        variable = f"PEGBOX_{item.name.upper()}"
        if item.name not in values and environment.get(variable, "") != "":
            values[item.name] = _convert(item.name, environment[variable], variable)
            sources[item.name] = variable
    home = Path(os.path.expanduser(values.get("home", Settings().home))).resolve()
    for name, value in _file(home / "pegbox.toml").items():
        if name not in values:
            values[name], sources[name] = value, f"{home / 'pegbox.toml'}: {name}"
    values["home"] = home
    settings = Settings(**values)
    for name, fault in _faults(settings):
        raise SettingsError(f"{fault} (from {sources[name]})" if name in sources else fault)
    return settings


def make_home(home: Path) -> None:
    """Make the home and its folder `run`, for their owner only; one that is there stays as it is."""
    for folder in (home, home / "run"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Variables that look like settings and are none."""
    environment = os.environ if environment is None else environment
    known = {f"PEGBOX_{item.name.upper()}" for item in fields(Settings)} | {crashpoints.VARIABLE}
    return sorted(name for name in environment if name.startswith("PEGBOX_") and name not in known)


def _file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: {error}") from None
    known = {item.name for item in fields(Settings)} - {"home"}
    unknown = sorted(set(document) - known)
    if unknown:
        raise SettingsError(f"{path}: unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
    return {name: _convert(name, value, f"{path}: {name}") for name, value in document.items()}


def _convert(name: str, value: Any, source: str) -> Any:
    """A text of the environment or a value of the file, as the type that the setting has."""
    kind = type(getattr(Settings(), name))
    try:
        if kind is bool:
            return _switch(value)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise TypeError(value)
        if kind is int and isinstance(value, float):
            raise TypeError(value)
        return kind(str(value))
    except (TypeError, ValueError):
        raise SettingsError(f"{source}: {value!r} is not usable; expected {EXPECTED[kind]}") from None


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in ("on", "off", "true", "false", "1", "0", "yes", "no"):
        raise ValueError(text)
    return text in ("on", "true", "1", "yes")


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """(setting, message) for every value that nothing can run with."""
    if not settings.auth and not settings.loopback:
        yield "auth", f"auth off is for loopback only, and host is {settings.host}: use --auth on"
    if not 0 <= settings.port <= 65535:
        yield "port", f"port: {settings.port} is no port; give 0 to 65535"
    if not is_account(settings.account_id):
        yield "account_id", f"account_id: {settings.account_id!r} is not twelve digits"
    if settings.log_level.lower() not in LOG_LEVELS:
        yield "log_level", f"log_level: {settings.log_level!r} is none of {', '.join(LOG_LEVELS)}"
    if settings.log_format not in LOG_FORMATS:
        yield "log_format", f"log_format: {settings.log_format!r} is none of {', '.join(LOG_FORMATS)}"
    if settings.metrics not in METRICS:
        yield "metrics", f"metrics: {settings.metrics!r} is none of {', '.join(METRICS)}"
    if settings.containment not in CONTAINMENTS:
        yield "containment", f"containment: {settings.containment!r} is none of {', '.join(CONTAINMENTS)}"
    if unknown := sorted(settings.limited - {*LIMITS}):
        yield "limits", f"limits: {unknown[0]!r} is none of {', '.join(LIMITS)}; give some of them with commas, or none"
    if settings.parallel_training_jobs < 1:
        yield (
            "parallel_training_jobs",
            f"parallel_training_jobs: {settings.parallel_training_jobs} allows no search; give at least 1",
        )
    if settings.tuning_jobs < 1:
        yield "tuning_jobs", f"tuning_jobs: {settings.tuning_jobs} allows no search; give at least 1"
    if not 0 < settings.tuning_days < math.inf:
        yield "tuning_days", f"tuning_days: {settings.tuning_days} is no time; give days, more than 0"
    if settings.warm_start_changes < 0:
        yield "warm_start_changes", f"warm_start_changes: {settings.warm_start_changes} is no number; give 0 or more"
    if settings.slots < 1:
        yield "slots", f"slots: {settings.slots} leaves no room for any job; give at least 1"
    if settings.most_log < LEAST_LOG:
        yield (
            "most_log",
            f"most_log: {settings.most_log} is too little to tell why a job failed; give {LEAST_LOG} or more",
        )
    if settings.metric_points < LEAST_POINTS:
        yield (
            "metric_points",
            f"metric_points: {settings.metric_points} draws no curve; give {LEAST_POINTS} or more",
        )
    if settings.max_body < LEAST_BODY:
        yield "max_body", f"max_body: {settings.max_body} is too small for requests; give at least {LEAST_BODY} bytes"
    for name in ("tick", "lease", "silence", "propose_timeout", "checkpoint_interval", "client_timeout"):
        if not 0 < getattr(settings, name) < math.inf:
            yield name, f"{name}: {getattr(settings, name)} is no time; give seconds, more than 0"
    for name in ("database_wait", "stop_grace", "patience"):
        if not 0 <= getattr(settings, name) < math.inf:
            yield name, f"{name}: {getattr(settings, name)} is no time; give seconds, 0 or more"
    if not 0 <= settings.upload_days < math.inf:
        yield "upload_days", f"upload_days: {settings.upload_days} is no time; give days, 0 or more"
    for name in ("keep_logs_days", "keep_points_days", "keep_readings_days"):
        if not 0 <= getattr(settings, name) < math.inf:
            yield name, f"{name}: {getattr(settings, name)} is no time; give days, 0 or more"
    if settings.lease <= settings.tick:
        yield "lease", f"lease: {settings.lease} must be longer than tick, which is {settings.tick}"
    if settings.silence <= settings.lease:
        yield "silence", f"silence: {settings.silence} must be longer than lease, which is {settings.lease}"
    yield from _unusable(settings)


def _unusable(settings: Settings) -> Iterator[tuple[str, str]]:
    """The same, for what names something outside."""
    if not re.fullmatch(r"[a-z0-9-]+", settings.region):
        yield "region", f"region: {settings.region!r} is no region; give small letters, digits and dashes"
    dialect = settings.database_url.partition("://")[0].partition("+")[0]
    if settings.database_url and dialect not in DATABASES:
        # Its value is not told: it may hold a password.
        yield "database_url", "database_url: is no URL that begins with sqlite:/// or postgresql+psycopg://"
    if dialect == "postgresql" and _authority(settings.database_url).count("@") > 1:
        yield "database_url", "database_url: a @ in a user's name or a password has to be written as %40"
    if settings.s3_endpoint and not _is_address(settings.s3_endpoint):
        yield (
            "s3_endpoint",
            f"s3_endpoint: {settings.s3_endpoint!r} is no address; give http://host:port or https://...",
        )
    for root in settings.file_roots.split(":"):
        if root and not root.startswith("/"):
            yield "file_roots", f"file_roots: {root!r} is no absolute path; give folders such as /data:/home/me"
    relative = "/" in settings.python and not settings.python.startswith("/")  # programs start in other folders
    if settings.python and (relative or shutil.which(settings.python) is None):
        yield "python", f"python: {settings.python!r} is no program; give the absolute path of an interpreter"


def _authority(url: str) -> str:
    """What stands between // and the path: user, password, host and port."""
    return re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]


def _is_address(text: str) -> bool:
    try:
        place = urlsplit(text)
        return place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
    except ValueError:  # of the port
        return False
