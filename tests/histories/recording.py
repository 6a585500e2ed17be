"""Clients that call servers at the same time, and the history of what they were told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError, IncompleteReadError

from pegbox.testing.linearisability import UNANSWERED, Call
from running import RunningServer

CONFIG = Config(max_pool_connections=32, read_timeout=60, retries={"total_max_attempts": 1})
FOREVER = float("inf")


class Door:
    """One server as the clients reach it, also after it was killed and started again."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.deaths: list[tuple[float, float]] = []  #: from when it may be dead, until when all it did was done
        self._up = threading.Event()
        self._open()

    def client(self, service: str) -> Any:
        """A client, once the server is up."""
        assert self._up.wait(60)
        return self._clients[service]

    def insist(self, service: str, work: Callable[[Any], Any]) -> None:
        """Do what can be done twice, until the server lives long enough to answer."""
        while True:
            try:
                work(self.client(service))
                return
            except (EndpointConnectionError, HTTPClientError):
                continue

    def kill(self) -> None:
        """Kill the server and start it again."""
        self._up.clear()
        began = time.monotonic()
        self.server.kill()
        self.server.start()  # a commit that the dead process asked for has long been done
        self.deaths.append((began, time.monotonic()))
        self._open()

    def ended(self, began: float) -> float:
        """When a call that got no answer can no longer happen."""
        return next((until for _, until in self.deaths if began <= until), FOREVER)

    def _open(self) -> None:
        self._clients = {name: self.server.client(name, config=CONFIG) for name in ("sagemaker", "s3")}
        self._up.set()


class History:
    """What the clients of some doors did and were told."""

    def __init__(self, doors: Sequence[Door]) -> None:
        self.doors = doors
        self.recorded: list[tuple[Door, Call]] = []

    def ask(
        self,
        client: Client,
        service: str,
        operation: str,
        work: Callable[[Any], Any],
        told: Callable[[ClientError], Any],
        *,
        reads: bool = False,
        **arguments: Any,
    ) -> Any:
        """Make a call through one of the doors; returns the answer."""
        door = client.luck.choice(self.doors)
        asked = door.client(service)
        began = time.monotonic()
        try:
            answer = work(asked)
        except EndpointConnectionError:
            return UNANSWERED  # nobody was there: it has not happened
        except ClientError as error:
            failed = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
            answer = UNANSWERED if failed else told(error)
        except (HTTPClientError, IncompleteReadError):
            answer = UNANSWERED
        except KeyError:  # a dying server's answer that was cut off behind its head is an empty one to botocore
            answer = UNANSWERED
        ended = time.monotonic()
        call = Call(
            client=client.number,
            operation=operation,
            arguments={name: value for name, value in arguments.items() if value is not None},
            answer=answer,
            began=began,
            ended=ended,
            reads=reads,
        )
        self.add(door, call)
        return answer

    def add(self, door: Door, call: Call) -> None:
        """Keep a call."""
        self.recorded.append((door, call))

    def calls(self) -> list[Call]:
        """All calls, when all clients have ended."""
        return [_settled(door, call) for door, call in self.recorded]


class Client:
    """One of the clients; what it does follows from the seed."""

    def __init__(self, seed: str, number: int) -> None:
        self.number = number
        self.luck = random.Random(f"{seed}/{number}")


def together(clients: int, seed: str, life: Callable[[Client], None]) -> None:
    """Run so many clients at once, all from the same moment; raises what one of them raises."""
    start = threading.Barrier(clients)

    def run(number: int) -> None:
        start.wait()
        life(Client(seed, number))

    with ThreadPoolExecutor(clients) as threads:
        for result in [threads.submit(run, number) for number in range(clients)]:
            result.result()


def _settled(door: Door, call: Call) -> Call:
    if call.answer != UNANSWERED and not _is_cut(door, call):
        return call
    return replace(call, answer=UNANSWERED, ended=max(call.ended, door.ended(call.began)))


def _is_cut(door: Door, call: Call) -> bool:
    """Whether the server died in the middle of an answer: the status came, what it says of the error did not."""
    dying = any(began <= call.ended and call.began <= until for began, until in door.deaths)
    code = call.answer[0] if isinstance(call.answer, tuple) and call.answer else call.answer
    return dying and call.operation != "head" and str(code).isdigit()
