"""A line to a server that can be made to fail in the ways in which networks and servers do."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import urlsplit

FAULT = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close sends RST


class Line:
    """Listens on `url` and passes on to `to`, as its `mode` says.  A change of mode cuts what is under way.

    through: as if it were not there;  silent: takes connections and never answers;  reset: cuts a connection as soon as
    it has passed on `most` bytes of answers;  fault: answers 500;  refused: nobody listens.
    """

    def __init__(self, to: str) -> None:
        place = urlsplit(to)
        self._to = (place.hostname or "127.0.0.1", place.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.most = 0
        self.asked = 0  #: connections
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._mode = "through"
        self._listen()

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        before, self._mode = self._mode, mode
        if mode == "refused":
            self._deafen()
        elif before == "refused":
            self._listener = socket.create_server(("127.0.0.1", self._port))
            self._listen()
        with self._lock:
            for channel in self._open:
                with suppress(OSError):
                    channel.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.mode = "refused"

    def _deafen(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.asked += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), self._known(client):
            if self._mode == "fault":
                client.recv(1 << 16)
                client.sendall(FAULT)
            elif self._mode == "silent":
                while client.recv(1 << 16):
                    pass
            else:
                with socket.create_connection(self._to) as server, self._known(server):
                    back = threading.Thread(target=self._pass, args=(server, client, True), daemon=True)
                    back.start()
                    self._pass(client, server, False)
                    back.join()

    def _pass(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if is_answer and self._mode == "reset" and passed + len(data) > self.most:
                    sink.sendall(data[: max(0, self.most - passed)])
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    break
                sink.sendall(data)
                passed += len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _known(self, channel: socket.socket) -> _Known:
        return _Known(self._open, self._lock, channel)


class _Known:
    def __init__(self, among: set[socket.socket], lock: threading.Lock, channel: socket.socket) -> None:
        self._among, self._lock, self._channel = among, lock, channel

    def __enter__(self) -> None:
        with self._lock:
            self._among.add(self._channel)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._among.discard(self._channel)
