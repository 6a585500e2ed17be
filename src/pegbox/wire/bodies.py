"""Bodies that are read whole before anything is done with them: all but those of S3."""

from __future__ import annotations

from starlette.requests import Request

from pegbox.errors import MalformedRequest, RequestTooLarge, ServiceUnavailable

MOST_DRAINED = 64 << 20  #: bytes of an oversized body that are read so that the client hears the answer
ROOM = 256 << 20  #: bytes of all long bodies together whose signatures have not been verified


class Room:
    """Memory for bodies of clients that have named a key and have not proven it: ids of keys are no secrets."""

    def __init__(self, most: int = ROOM) -> None:
        self.left = most

    def take(self, count: int) -> None:
        """Use so many bytes.  Raises ServiceUnavailable if there are not as many."""
        if count > self.left:
            raise ServiceUnavailable("Too many large requests are under way. Please try again.")
        self.left -= count

    def give(self, count: int) -> None:
        """Have done with them."""
        self.left += count


async def read_body(request: Request, most: int, room: Room | None = None) -> bytes:
    """The body, if it is not longer than `most` bytes.  It takes `room`, if any is given, until it has come.

    Raises RequestTooLarge, MalformedRequest, ServiceUnavailable.
    """
    stated = stated_length(request)
    pieces: list[bytes] = []
    size = taken = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size <= most:
                if room is not None:
                    room.take(len(piece))
                    taken += len(piece)
                pieces.append(piece)
            elif size > MOST_DRAINED:
                break
    finally:
        if room is not None:
            room.give(taken)
    if size > most:
        raise too_large(most)
    if stated >= 0 and stated != size:
        raise MalformedRequest("The request body is shorter than its Content-Length.")
    return b"".join(pieces)


def stated_length(request: Request) -> int:
    """The Content-Length, which the HTTP parser has checked; -1 if there is none."""
    return int(request.headers.get("content-length", -1))


def too_large(most: int) -> RequestTooLarge:
    """The body is longer than `most` bytes."""
    return RequestTooLarge(f"The request body is longer than {most} bytes.")
