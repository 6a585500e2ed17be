"""Send a server what clients send, almost send and never send; it must neither fail, hang nor grow.

    python benchmarks/soak/fuzz.py [--seconds 600] [--seed 1] [--out FILE]

Half of the requests are drawn from botocore's shapes and signed; the others are bytes (see shapes.py and wires.py).

- no status of 500 and above, but 501 (not served), 503 (try again) and 507 (disk full);
- an answer or the end of the connection within DEADLINE;
- no error in the server's log;
- descriptors, threads and memory at the end as after the warm-up, within a margin: that of memory is for caches with
  an end, SQLAlchemy's 500 compiled statements and SQLite's pages above all.

Exit status 1 when something was found; the result names it.
"""

from __future__ import annotations

import argparse
import base64
import random
import re
import select
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from measuring import Server, describe_machine, present  # noqa: E402
from shapes import BUCKET, Shapes  # noqa: E402
from wires import Wires  # noqa: E402

WORKERS = 4
DEADLINE = 30.0  #: seconds; an answer that takes longer is a hang
CLIENT_TIMEOUT = "6"  #: seconds; how long the server is patient
MOMENT = 0.5  #: seconds without an answer after which most clients give up
PATIENT = 0.02  #: share of broken requests whose client waits for the server to end it
FAIR = {501, 503, 507}
MARGINS = {"descriptors": 12, "threads": 12, "resident": 96 << 20}
MOST_FINDINGS = 50
STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


@dataclass(slots=True)
class Report:
    """What has been seen, by all workers."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)
    slowest: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, what: str, data: bytes, answer: bytes, seconds: float, is_over: bool) -> None:
        """Take in one exchange."""
        codes = [int(code) for code in STATUS.findall(answer)]
        with self.lock:
            self.requests[what] += 1
            self.statuses.update(map(str, codes) if codes else ["closed"])
            self.slowest = max(self.slowest, seconds)
            bad = [code for code in codes if code >= 500 and code not in FAIR]
            if (bad or not (is_over or codes)) and len(self.findings) < MOST_FINDINGS:
                shown = base64.b64encode(data[:4000]).decode()
                fault = f"status {bad[0]}" if bad else "no answer"
                self.findings.append(
                    {"what": what, "fault": fault, "sent": shown, "answer": answer[:300].decode("latin-1")}
                )


def exchange(address: tuple[str, int], pieces: list[bytes], patient: bool) -> tuple[bytes, bool]:
    """What comes back, and whether the server has ended the connection in time.

    An impatient client sends its end when nothing has come for a moment, since half a request is awaited for long.
    """
    deadline = time.monotonic() + DEADLINE
    answer = bytearray()
    with socket.create_connection(address, timeout=DEADLINE) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            while (left := deadline - time.monotonic()) > 0:
                moment = left if patient else min(left, MOMENT)
                if not select.select([connection], [], [], moment)[0]:
                    connection.shutdown(socket.SHUT_WR)
                    patient = True
                    continue
                data = connection.recv(1 << 16)
                if not data:
                    return bytes(answer), True
                answer += data[: max(0, (1 << 20) - len(answer))]
        except OSError:  # it has closed already; it may have said why
            return bytes(answer), True
    return bytes(answer), False


def work(address: tuple[str, int], credentials: Credentials, seed: int, until: float, report: Report) -> None:
    """One client."""
    rng = random.Random(seed)
    shapes = Shapes(rng, f"{address[0]}:{address[1]}", credentials)
    wires = Wires(rng, shapes)
    while time.monotonic() < until:
        if rng.random() < 0.5:
            sent = shapes.request()
            what, pieces, patient = sent.what, [sent.head, sent.body], True
        else:
            what, pieces = wires.pieces()
            patient = rng.random() < PATIENT
        begin = time.monotonic()
        answer, is_over = exchange(address, pieces, patient)
        report.saw(what, b"".join(pieces), answer, time.monotonic() - begin, is_over)


def run_workers(server: Server, seconds: float, seed: int, report: Report) -> None:
    """All clients, for so long."""
    credentials = server.key()
    until = time.monotonic() + seconds
    address = ("127.0.0.1", server.port)
    threads = [
        threading.Thread(target=work, args=(address, credentials, seed * 1000 + number, until, report))
        for number in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(pid: int) -> dict[str, int]:
    """Descriptors, threads and resident bytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    values = {
        line.split(":")[0]: line.split(":")[1].split()[0]
        for line in status.splitlines()
        if ":" in line and line.split(":")[1].split()
    }
    return {
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": int(values["Threads"]),
        "resident": int(values["VmRSS"]) * 1024,
    }


def quiet(server: Server, seconds: float) -> dict[str, int]:
    """The server's measures when it has been left alone, at best within `seconds`."""
    best = measure(server.pid)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(1)
        now = measure(server.pid)
        best = {name: min(best[name], now[name]) for name in best}
    return best


def errors_of(log: Path) -> list[str]:
    """Lines of the server's log that say it failed."""
    return [
        f"{line[:300]} ... {line[-1500:]}"
        for line in log.read_text(errors="replace").splitlines()
        if "level=error" in line or "Traceback" in line
    ]


def fuzz(folder: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Run it; the result is what is committed."""
    server = Server(folder / "home", {"PEGBOX_CLIENT_TIMEOUT": CLIENT_TIMEOUT, "PEGBOX_SLOTS": "2"})
    report = Report()
    try:
        with closing(server.client("s3")) as s3:
            s3.create_bucket(Bucket=BUCKET)
        run_workers(server, max(3.0, seconds * 0.2), seed, report)
        before = quiet(server, 10 if seconds > 60 else 2)
        trend = []
        for part in range(8):
            run_workers(server, seconds * 0.1, seed + 1 + part, report)
            trend.append(measure(server.pid)["resident"])
        after = quiet(server, 20 if seconds > 60 else 4)
        with closing(server.client("sagemaker")) as sagemaker:
            sagemaker.list_training_jobs()
    finally:
        server.stop()
    grown = {name: after[name] - before[name] for name in MARGINS if after[name] > before[name] + MARGINS[name]}
    return {
        "seconds": seconds,
        "seed": seed,
        "requests": sum(report.requests.values()),
        "kinds": dict(sorted(report.requests.items())),
        "statuses": dict(sorted(report.statuses.items())),
        "slowest_seconds": round(report.slowest, 3),
        "before": before,
        "after": after,
        "resident_meanwhile": trend,
        "grown": grown,
        "errors_logged": errors_of(folder / "server.log")[:20],
        "findings": report.findings,
        "machine": describe_machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = fuzz(Path(folder), given.seconds, given.seed)
    present(result, given.out)
    return 1 if result["findings"] or result["errors_logged"] or result["grown"] else 0


if __name__ == "__main__":
    sys.exit(main())
