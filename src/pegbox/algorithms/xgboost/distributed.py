"""How the instances of a job find each other and train as one.

The leader (the first host) listens on its own address at a fixed port, before it reads any data.  Every other instance
connects, greets, reads its own data, and reports what it has; the leader compares the reports, tells everybody their
sum, starts the tracker of XGBoost's collective and tells its port.  The connections stay open until training begins, so
an instance that fails to read its data takes all others down with its reason, instead of leaving them waiting.

Instances that all hold the same data (FullyReplicated) would compute the same sums, each its own.  Where rows are not
sampled, n copies of every row are one row of n times the weight: then the leader trains on its copy with these weights,
and the model is the same without the n-fold work.

Nothing is shared but the network: instances may be processes of one machine or machines of one network.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pegbox.algorithms.container import Container, UserError
from pegbox.algorithms.xgboost.library import RabitTracker, collective, xgboost

PORT = 9099  #: of the meeting, on the leader's address; the port at which the service's container has its tracker
PATIENCE = 60.0  #: seconds within which all instances must have come
_GREETING = 5.0  #: seconds within which whoever connects must say who it is
_RETRY = 0.003  #: seconds between two tries to connect
_LINE = 1 << 16  #: bytes that a message may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one instance has read; of all together: the sums of rows and the widths."""

    train_rows: int = 0
    train_columns: int = 0
    validation_rows: int = 0
    validation_columns: int = 0
    sparse: bool = False  #: widths of libsvm data may differ
    fingerprint: str = ""  #: digest of the data; empty when equal data may not be trained on once for all
    copies: int = 1  #: of all together: how many instances hold the very same data


class Meeting:
    """One instance alone: what it has read is all there is."""

    def agree(self, report: Report) -> Report:
        """Tell what this instance has read; return the same for all instances together.

        Raises UserError when instances do not fit together or one of them has failed.
        """
        return report

    def refuse(self, reason: str) -> None:
        """Tell the others why this instance cannot go on."""

    @contextmanager
    def training(self) -> Iterator[None]:
        """The time during which the collective is up."""
        yield


class Leader(Meeting):
    """The first host, at which the others meet."""

    def __init__(self, container: Container, resources: ExitStack) -> None:
        self._container = container
        self._address = _address_of(container.hosts[0], container)
        self._resources = resources
        self._peers: dict[str, Connection] = {}
        self._tracker: Any = None
        self._listener = resources.enter_context(_listen(self._address, len(container.hosts)))

    def agree(self, report: Report) -> Report:
        """See Meeting."""
        self._gather()
        reports = {self._container.current_host: report}
        for host, peer in sorted(self._peers.items()):
            message = peer.receive(host)
            if "refused" in message:
                raise UserError(f"{host}: {message['refused']}")
            reports[host] = Report(**message)
        together = combine(reports)
        self._tell(asdict(together))
        return together

    def refuse(self, reason: str) -> None:
        """See Meeting."""
        if self._tracker is None:
            self._gather()
            self._tell({"refused": f"{self._container.current_host}: {reason}"})

    @contextmanager
    def training(self) -> Iterator[None]:
        """The collective; the tracker is there until the last instance has left it."""
        self._tracker = RabitTracker(
            n_workers=len(self._container.hosts), host_ip=self._address, sortby="task", timeout=int(PATIENCE)
        )
        self._tracker.start()
        time.sleep(0.001)  # worker_args() sleeps 0.1 s when it comes before the tracker's thread
        port = int(self._tracker.worker_args()["dmlc_tracker_port"])
        self._tell({"port": port})
        try:
            with _communicator(self._container, self._address, port):
                yield
            self._tracker.wait_for()
        except BaseException:
            del self._tracker.handle  # freeing it would wait for instances that are gone
            raise

    def _gather(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while missing := set(self._container.hosts[1:]) - set(self._peers):
            self._listener.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                peer, _ = self._listener.accept()
            except TimeoutError:
                raise UserError(f"Instances {', '.join(sorted(missing))} did not come within {PATIENCE:g} s") from None
            self._welcome(Connection(peer, self._resources), missing)

    def _welcome(self, peer: Connection, missing: set[str]) -> None:
        peer.wait(_GREETING)
        try:
            greeting = peer.receive("that connected")
        except UserError:
            return  # a stranger
        host = greeting.get("host")
        if host in missing and greeting.get("job") == self._container.job_name:
            peer.wait(None)
            self._peers[host] = peer

    def _tell(self, message: Mapping[str, Any]) -> None:
        for peer in self._peers.values():
            try:
                peer.send(message)
            except OSError:
                continue  # it has gone: the collective will notice


class Follower(Meeting):
    """Any other host."""

    def __init__(self, container: Container, resources: ExitStack) -> None:
        self._container = container
        self._leader = container.hosts[0]
        self._address, connection = _connect(self._leader, container)
        self._connection = Connection(connection, resources)
        self._connection.send({"job": container.job_name, "host": container.current_host})

    def agree(self, report: Report) -> Report:
        """See Meeting."""
        self._connection.send(asdict(report))
        return Report(**self._answer())

    def refuse(self, reason: str) -> None:
        """See Meeting."""
        self._connection.send({"refused": reason})

    @contextmanager
    def training(self) -> Iterator[None]:
        """The collective."""
        with _communicator(self._container, self._address, int(self._answer()["port"])):
            yield

    def _answer(self) -> dict[str, Any]:
        message = self._connection.receive(self._leader)
        if "refused" in message:
            raise UserError(message["refused"])
        return message


@contextmanager
def meeting(container: Container) -> Iterator[Meeting]:
    """Open the meeting of the job's instances; a UserError inside is passed on to the others."""
    with ExitStack() as resources:
        if len(container.hosts) == 1:
            yield Meeting()
            return
        mine = (Leader if container.leads else Follower)(container, resources)
        try:
            yield mine
        except UserError as error:
            with suppress(OSError, UserError):
                mine.refuse(str(error))
            raise


def combine(reports: Mapping[str, Report]) -> Report:
    """Sum of rows and the common widths.  Raises UserError when instances have different columns."""
    sparse = any(report.sparse for report in reports.values())
    return Report(
        train_rows=sum(report.train_rows for report in reports.values()),
        train_columns=_width({host: report.train_columns for host, report in reports.items()}, "train", sparse),
        validation_rows=sum(report.validation_rows for report in reports.values()),
        validation_columns=_width(
            {host: report.validation_columns for host, report in reports.items()}, "validation", sparse
        ),
        sparse=sparse,
        copies=_copies([report.fingerprint for report in reports.values()]),
    )


def _copies(fingerprints: Sequence[str]) -> int:
    same = len(set(fingerprints)) == 1 and fingerprints[0] != ""
    return len(fingerprints) if same else 1


def _width(columns: Mapping[str, int], channel: str, sparse: bool) -> int:
    widths = {host: width for host, width in columns.items() if width}
    if not sparse and len(set(widths.values())) > 1:
        listed = ", ".join(f"{host} has {width}" for host, width in sorted(widths.items()))
        raise UserError(f"Channel {channel}: instances have different numbers of feature columns: {listed}")
    return max(widths.values(), default=0)


def total(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Element-wise sum over all instances that train together."""
    if not collective.is_distributed():
        return sums
    return np.asarray(collective.allreduce(sums.ravel(), collective.Op.SUM)).reshape(sums.shape)


def anywhere(flag: bool) -> bool:
    """Whether the flag is set on any instance."""
    return bool(total(np.array([float(flag)]))[0])


def from_leader(content: bytes) -> bytes:
    """What the leader passes, on all instances."""
    if not collective.is_distributed():
        return content
    received: bytes = collective.broadcast(content, 0)
    return received


@contextmanager
def _communicator(container: Container, address: str, port: int) -> Iterator[None]:
    arguments: dict[str, int | str | None] = {
        "dmlc_tracker_uri": address,
        "dmlc_tracker_port": port,
        "dmlc_task_id": container.current_host,
    }
    with xgboost.config_context(verbosity=0):
        collective.init(**arguments)
    yield
    collective.finalize()  # not after a failure: it would wait for instances that are gone


def _address_of(host: str, container: Container) -> str:
    """The address of a host; its name may become resolvable only after a while."""
    if host in container.addresses:
        return container.addresses[host]
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError as error:
            if time.monotonic() > deadline:
                raise UserError(f"The address of instance {host} is not known: {error}") from None
            time.sleep(_RETRY)


def _listen(address: str, backlog: int) -> socket.socket:
    try:
        return socket.create_server((address, PORT), backlog=backlog)
    except OSError as error:
        raise UserError(f"The instances cannot meet at {address}:{PORT}: {error.strerror}") from None


def _connect(leader: str, container: Container) -> tuple[str, socket.socket]:
    address = _address_of(leader, container)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection = socket.create_connection((address, PORT), timeout=PATIENCE)
            connection.settimeout(None)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return address, connection
        except OSError as error:
            if time.monotonic() > deadline:
                raise UserError(f"Instance {leader} did not answer at {address}:{PORT}: {error.strerror}") from None
            time.sleep(_RETRY)


class Connection:
    """Messages between two instances: one JSON object a line."""

    def __init__(self, stream: socket.socket, resources: ExitStack) -> None:
        self._stream = resources.enter_context(stream)
        self._lines = resources.enter_context(stream.makefile("rb"))

    def wait(self, seconds: float | None) -> None:
        """How long to wait for a message; None for as long as it takes."""
        self._stream.settimeout(seconds)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message.  Raises OSError when the other side has gone."""
        self._stream.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, sender: str) -> dict[str, Any]:
        """Wait for one message.  Raises UserError when the other side has gone or talks nonsense."""
        try:
            message = json.loads(self._lines.readline(_LINE))
        except (OSError, ValueError):
            raise UserError(f"Instance {sender} ended before training began") from None
        if not isinstance(message, dict):
            raise UserError(f"Instance {sender} does not belong to this job")
        return message
