"""What no client sends: requests with bytes changed, cut, doubled and mixed, broken framing, noise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from shapes import Sent, Shapes

TOKENS = [
    b"\r\n", b"\n", b"\x00", b"\xff", b": ", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n", b"Connection: close\r\n",
    b"Connection: upgrade\r\n",
    b"Upgrade: websocket\r\n", b"Host: [\r\n", b"Host:\r\n", b"a: b\r\n" * 300, b"%00", b"//", b" ", b"HTTP/1.0",
    b"HTTP/9.9", b"X-Amz-",
    b"Authorization: x\r\n", b"X-Amz-Target: SageMaker.ListTrainingJobs\r\n",
    b"X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\r\n", b"&", b"=",
    b"Content-Encoding: aws-chunked\r\n", b"X-Amz-Decoded-Content-Length: 4\r\n", b"?X-Amz-Signature=x",
    b"AWSAccessKeyId=a&Signature=b&Expires=c",
]  # fmt: skip
FRAMINGS = [
    b"4\r\ndata\r\n0\r\n\r\n", b"4\r\ndata", b"ffffffffffffffff\r\n", b"-1\r\n", b"4;a=b\r\ndata\r\n0\r\n\r\n",
    b"0\r\na: b\r\n\r\n", b"g\r\n",
    b"4;" + b"x" * 70_000 + b"\r\n", b"1\r\n\r\n1\r\n", b"4\r\ndata\r\n" * 200 + b"0\r\n\r\n", b"4\ndata\n0\n\n",
    b"0" * 5000 + b"4\r\ndata\r\n0\r\n\r\n",
]  # fmt: skip


@dataclass(slots=True)
class Wires:
    """Draws bytes for a socket."""

    rng: random.Random
    shapes: Shapes

    def pieces(self) -> tuple[str, list[bytes]]:
        """What it is, and the pieces in which it is sent."""
        kind = self.rng.choice(["mutated", "mutated", "mutated", "framing", "noise", "spliced", "pipelined", "cut"])
        data = getattr(self, f"_{kind}")()
        return kind, list(self._split(data))

    def _mutated(self) -> bytes:
        data = bytearray(_bytes(self.shapes.request()))
        for _ in range(self.rng.choice([1, 1, 2, 5, 20])):
            at = self.rng.randrange(len(data) + 1)
            change = self.rng.randrange(4)
            if change == 0 and at < len(data):
                data[at] = self.rng.randrange(256)
            elif change == 1:
                data[at:at] = self.rng.choice(TOKENS)
            elif change == 2:
                del data[at : at + self.rng.choice([1, 2, 10])]
            else:
                data[at:at] = data[at : at + self.rng.choice([1, 5, 50])]
        return bytes(data)

    def _framing(self) -> bytes:
        sent = self.shapes.request()
        lines = [line for line in sent.head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        head = b"\r\n".join([*lines[:-2], b"Transfer-Encoding: chunked", b"", b""])
        return head + self.rng.choice(FRAMINGS)

    def _noise(self) -> bytes:
        return self.rng.randbytes(self.rng.choice([1, 10, 1000, 70_000]))

    def _spliced(self) -> bytes:
        first, second = _bytes(self.shapes.request()), _bytes(self.shapes.request())
        return first[: self.rng.randrange(len(first))] + second[self.rng.randrange(len(second)) :]

    def _pipelined(self) -> bytes:
        return b"".join(_bytes(self.shapes.request()) for _ in range(self.rng.randint(2, 6)))

    def _cut(self) -> bytes:
        data = _bytes(self.shapes.request())
        return data[: self.rng.randrange(1, len(data))]

    def _split(self, data: bytes) -> Iterator[bytes]:
        cuts = sorted(self.rng.randrange(len(data) + 1) for _ in range(self.rng.choice([0, 0, 1, 3, 10])))
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            if end > begin:
                yield data[begin:end]


def _bytes(sent: Sent) -> bytes:
    return sent.head + sent.body
