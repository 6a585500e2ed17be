"""A server with nothing but the S3 endpoint behind verified signatures.

`python s3_server.py <root> [seconds]` runs one, which counts a Complete that takes so many seconds as a long one.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pegbox.errors import AuthError
from pegbox.objects.files import FileStore
from pegbox.wire.connections import Crowd, Limits, parting
from pegbox.wire.rest_s3 import S3Endpoint, is_form, multipart
from pegbox.wire.signed_form import verify_form
from pegbox.wire.sigv4 import Caller, Head, Key, Payload, verify

KEYS = {
    "AKIDFIRST": Key("AKIDFIRST", "first-secret", "111111111111"),
    "AKIDOTHER": Key("AKIDOTHER", "other-secret", "222222222222"),
}
ANYONE = Caller(key_id="", account="111111111111", region="us-east-1", service="s3", payload=Payload())


def app(store: FileStore, checks: bool = True) -> ASGIApp:
    endpoint = S3Endpoint(store)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        if is_form(request):
            response = await endpoint.post(request, lambda fields: verify_form(fields, KEYS.get))
            await response(scope, receive, send)
            return
        head = Head(request.method, scope["raw_path"], scope["query_string"], headers)
        try:
            caller = verify(head, KEYS.get, datetime.now(UTC)) if checks else ANYONE
        except AuthError as error:
            response = endpoint.refuse(error, request)
        else:
            response = await endpoint(request, caller)
        await response(scope, receive, send)

    return parting(answer)


def configuration(store: FileStore, checks: bool = True) -> uvicorn.Config:
    return uvicorn.Config(
        app(store, checks),
        log_level="warning",
        lifespan="off",
        access_log=False,
        http=Crowd(Limits()).protocol,  # type: ignore[arg-type]
    )


def listening() -> socket.socket:
    """A free port whose connections send small answers at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextmanager
def running(root: Path, checks: bool = True) -> Iterator[str]:
    """The address of a server in a thread; it need not check signatures."""
    store = FileStore(root)
    server = uvicorn.Server(configuration(store, checks))
    listener = listening()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        store.close()


if __name__ == "__main__":
    multipart.PATIENCE = float(sys.argv[2]) if len(sys.argv) > 2 else multipart.PATIENCE
    listener = listening()
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(configuration(FileStore(Path(sys.argv[1])))).run(sockets=[listener])
