"""Expressions that only a backtracking engine understands, matched in a process that can be killed.

`re` holds the interpreter until it is done, which can be never.  So it runs in a child which gives each expression
CPU_SECONDS for one block of lines: a timer of the kernel kills the child when they are over.  The expression that was
running is then given up, and a new child goes on with the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import struct
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from pegbox.runner import isolate, process
from pegbox.runner.parse import number

CPU_SECONDS = 1.0  #: for one expression and one block
WALL_SECONDS = 30.0  #: the same, if the machine gives the child no CPU
QUEUE = 4 << 20  #: bytes of lines that may wait before the trainer has to

_LENGTH = struct.Struct("<I")

Sink = Callable[[str, float, list[tuple[int, int, float]]], None]  #: host, epoch seconds, (line, metric, value)s


@dataclass(slots=True)
class _Batch:
    host: str
    at: float
    block: bytes
    left: list[int]  #: metrics whose answer is missing, in the order in which the child takes them
    hits: list[tuple[int, int, float]] = field(default_factory=list)


class Backtracker:
    """Feeds one child at a time.  Never blocks for more than the time a child needs to take a block."""

    def __init__(
        self,
        expressions: Mapping[int, str],
        sink: Sink,
        give_up: Callable[[int], None],
        monotonic: Callable[[], float],
        selector: selectors.BaseSelector,
    ) -> None:
        self._selector = selector
        self._expressions = dict(expressions)
        self._sink, self._give_up, self._monotonic = sink, give_up, monotonic
        self._queue: deque[_Batch] = deque()
        self._queued = 0
        self._received = b""
        self._sent = 0.0
        self._channel: socket.socket | None = None
        self.pid = 0  #: of the child; 0 when there is none

    @property
    def is_full(self) -> bool:
        """Whether the caller should stop reading for now."""
        return self._queued > QUEUE

    @property
    def is_idle(self) -> bool:
        """Whether every block is answered."""
        return not self._queue

    @property
    def due(self) -> float | None:
        """Monotonic time at which a silent child is killed."""
        return self._sent + WALL_SECONDS if self._queue else None

    def offer(self, host: str, at: float, block: bytes) -> None:
        """Have `block` searched."""
        if not self._expressions:
            return
        self._queue.append(_Batch(host, at, block, list(self._expressions)))
        self._queued += len(block)
        if len(self._queue) == 1:
            self._send()

    def receive(self) -> None:
        """The channel is readable: take answers, or notice the child's death."""
        if self._channel is None:
            return
        try:
            data = self._channel.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            self._bury()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._take(*json.loads(line))

    def if_due(self) -> None:
        """Kill a child that has been silent for too long."""
        if self.due is not None and self._monotonic() >= self.due and self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._bury()

    def close(self) -> None:
        """End the child."""
        if self._channel is not None:
            self._selector.unregister(self._channel)
            self._channel.close()
            self._channel = None

    def _take(self, metric: int, hits: list[tuple[int, float]]) -> None:
        batch = self._queue[0]
        batch.left.remove(metric)
        batch.hits += [(line, metric, value) for line, value in hits]
        self._sent = self._monotonic()
        if not batch.left:
            self._finish()

    def _finish(self) -> None:
        self._deliver()
        if self._queue:
            self._send()

    def _deliver(self) -> None:
        batch = self._queue.popleft()
        self._queued -= len(batch.block)
        self._sink(batch.host, batch.at, sorted(batch.hits, key=lambda hit: hit[:2]))

    def _bury(self) -> None:
        """The child died of the expression it was busy with."""
        self.close()
        self._received = b""
        if not self._queue:
            return
        culprit = self._queue[0].left[0]
        del self._expressions[culprit]
        self._give_up(culprit)
        for batch in self._queue:
            batch.left.remove(culprit)
        while self._queue and not self._queue[0].left:
            self._deliver()
        if self._queue:
            self._send()

    def _send(self) -> None:
        batch = self._queue[0]
        if self._channel is None:
            self._start()
        self._sent = self._monotonic()
        order = json.dumps(batch.left).encode()
        message = _LENGTH.pack(len(order)) + _LENGTH.pack(len(batch.block)) + order + batch.block
        with contextlib.suppress(ConnectionError):  # a dead child is noticed by receive()
            if self._channel is not None:
                self._channel.sendall(message)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            _serve(theirs, self._expressions)
        theirs.close()
        self._channel = ours
        self._selector.register(ours, selectors.EVENT_READ, self.receive)


def _serve(channel: socket.socket, expressions: Mapping[int, str]) -> NoReturn:
    """The child: for each block and expression one line `[metric, [[line, value], ...]]`."""
    try:
        process.reset_signals()
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        isolate.die_with_parent(signal.SIGKILL)
        process.close_descriptors(keep={channel.fileno()})
        compiled = _compiled(expressions)
        with channel.makefile("rb") as requests:
            while head := requests.read(2 * _LENGTH.size):
                order_length, block_length = _LENGTH.unpack(head[:4])[0], _LENGTH.unpack(head[4:])[0]
                order: list[int] = json.loads(requests.read(order_length))
                lines = requests.read(block_length).decode().split("\n")
                for metric in order:
                    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
                    hits = find(compiled[metric], lines)
                    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                    channel.sendall(json.dumps([metric, hits]).encode() + b"\n")
    finally:
        os._exit(0)


def _compiled(expressions: Mapping[int, str]) -> dict[int, re.Pattern[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {metric: re.compile(text) for metric, text in expressions.items()}


def find(expression: re.Pattern[str], lines: list[str]) -> list[tuple[int, float]]:
    """(line number in the block, value) of every match."""
    return [
        (place, value)
        for place, line in enumerate(lines)
        for match in expression.finditer(line)
        if (value := number((match.group(1) or "").encode())) is not None
    ]
