"""What s3_transfer.py holds the server against: it takes bytes from a socket, brings them to disk, and that is all.

    python benchmarks/receiver.py FILE [--md5]

Prints its port, takes one connection until the client has sent all, and says "done" when the file is on disk.  With
`--md5` the bytes are hashed, too, as every store has to that speaks S3: three threads receive, hash and write, and the
kernel begins with the writing before the end.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue

BLOCK = 2 << 20
BLOCKS = 7
BEGIN = 16 << 20  #: bytes after which the kernel is to begin with bringing the file to disk
_SYNC_FILE_RANGE_WRITE = 2

Queue = SimpleQueue[memoryview | None]


def copy(connection: socket.socket, fd: int) -> None:
    """Receive and write in turns."""
    buffer = memoryview(bytearray(1 << 20))
    while count := connection.recv_into(buffer):
        write(fd, buffer[:count])


def copy_hashing(connection: socket.socket, fd: int) -> None:
    """Receive, hash and write at the same time."""
    digest, begin = hashlib.md5(usedforsecurity=False), _Beginning(fd)
    hashing: Queue = SimpleQueue()
    writing: Queue = SimpleQueue()
    room = threading.Semaphore(BLOCKS)
    blocks = [memoryview(bytearray(BLOCK)) for _ in range(BLOCKS)]
    taken = [0] * BLOCKS  # how many of the two have been through each block
    lock = threading.Lock()

    def work(queue: Queue, take: Callable[[memoryview], object]) -> None:
        number = 0
        while (data := queue.get()) is not None:
            take(data)
            with lock:
                taken[number] += 1
                is_free = taken[number] == 2
                taken[number] %= 2
            if is_free:
                room.release()
            number = (number + 1) % BLOCKS

    def keep(data: memoryview) -> None:
        write(fd, data)
        begin.after(len(data))

    lanes = [threading.Thread(target=work, args=lane) for lane in ((hashing, digest.update), (writing, keep))]
    for lane in lanes:
        lane.start()
    number = 0
    while True:
        room.acquire()
        block = blocks[number]
        count = connection.recv_into(block, 0, socket.MSG_WAITALL)
        for queue in (hashing, writing):
            queue.put(block[:count] if count else None)
        if not count:
            break
        number = (number + 1) % BLOCKS
    for lane in lanes:
        lane.join()


def write(fd: int, data: memoryview) -> None:
    """All of it."""
    while data:
        data = data[os.write(fd, data) :]


class _Beginning:
    """Has the kernel begin to write, where it can be asked."""

    def __init__(self, fd: int) -> None:
        self._ask = getattr(ctypes.CDLL(None), "sync_file_range", None)
        self._fd, self._size, self._begun = fd, 0, 0

    def after(self, count: int) -> None:
        """So many bytes more have been written."""
        self._size += count
        if self._ask is not None and self._size - self._begun >= BEGIN:
            numbers = (ctypes.c_int64(self._begun), ctypes.c_int64(self._size - self._begun))
            self._ask(self._fd, *numbers, ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))
            self._begun = self._size


def main() -> None:
    """Take one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--md5", action="store_true")
    arguments = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    connection, _ = listener.accept()
    fd = os.open(arguments.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    (copy_hashing if arguments.md5 else copy)(connection, fd)
    os.fsync(fd)
    connection.sendall(b"done")


if __name__ == "__main__":
    main()
