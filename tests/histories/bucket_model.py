"""The sequential model of a bucket: made and removed, its objects, its uploads.

Content is known by its ETag.  A copy is two calls, since S3 does not promise more: `copy from` reads the source, `copy
to` writes what was read.  The answer to a refused call is the code of the error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pegbox.testing.linearisability import UNANSWERED, Call

NO_BUCKET, NO_KEY, NO_UPLOAD = "NoSuchBucket", "NoSuchKey", "NoSuchUpload"
FAILED, INVALID_PART = "PreconditionFailed", "InvalidPart"

Pairs = frozenset[tuple[Any, str]]


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that is there or not, and what is in it."""

    there: bool = False
    objects: Pairs = frozenset()  #: key and ETag
    uploads: frozenset[tuple[str, str, Pairs]] = frozenset()  #: id, key, number and ETag of the parts
    copies: Pairs = frozenset()  #: copies that have read their source: id and ETag

    def etag(self, key: str) -> str | None:
        """The ETag of an object."""
        return dict(self.objects).get(key)

    def parts(self, upload: str) -> Pairs | None:
        """The parts of an upload."""
        return next((parts for name, _, parts in self.uploads if name == upload), None)

    def with_object(self, key: str, etag: str | None) -> Bucket:
        """The bucket with another object of this key, or with none."""
        others = frozenset(pair for pair in self.objects if pair[0] != key)
        return replace(self, objects=others if etag is None else others | {(key, etag)})

    def with_upload(self, upload: str, key: str, parts: Pairs | None) -> Bucket:
        """The bucket with an upload that has these parts, or without it."""
        others = frozenset(each for each in self.uploads if each[0] != upload)
        return replace(self, uploads=others if parts is None else others | {(upload, key, parts)})


Outcome = tuple[Any, Bucket]  #: an answer and the state behind it


@dataclass(frozen=True, slots=True)
class BucketModel:
    """One bucket."""

    initial: Bucket = Bucket()

    def step(self, state: Bucket, call: Call) -> Iterable[Bucket]:
        """The states after a call with its answer."""
        outcomes = list(_OPERATIONS[call.operation](state, **call.arguments))
        if call.answer == UNANSWERED:
            return {state, *(after for _, after in outcomes)}
        return {after for answer, after in outcomes if answer == call.answer}


def multipart_etag(etags: Sequence[str]) -> str:
    """The ETag of an object made of parts: the MD5 of their MD5s, a dash and how many there were."""
    return f"{hashlib.md5(b''.join(map(bytes.fromhex, etags))).hexdigest()}-{len(etags)}"


def _create_bucket(state: Bucket) -> Iterator[Outcome]:
    yield ("BucketAlreadyOwnedByYou", state) if state.there else ("created", Bucket(there=True))


def _delete_bucket(state: Bucket) -> Iterator[Outcome]:
    if not state.there:
        yield NO_BUCKET, state
    elif state.objects:
        yield "BucketNotEmpty", state
    else:
        yield "deleted", Bucket(copies=state.copies)


def _put(
    state: Bucket, key: str, etag: str, if_match: str | None = None, if_none_match: str | None = None
) -> Iterator[Outcome]:
    refused = _refusal(state, key, if_match, if_none_match)
    yield (refused, state) if refused else ("put", state.with_object(key, etag))


def _get(state: Bucket, key: str) -> Iterator[Outcome]:
    yield (state.etag(key) or NO_KEY) if state.there else NO_BUCKET, state


def _head(state: Bucket, key: str) -> Iterator[Outcome]:
    yield state.etag(key) or "404", state  # a HEAD does not say what is missing


def _delete(state: Bucket, key: str, if_match: str | None = None) -> Iterator[Outcome]:
    refused = _refusal(state, key, if_match)
    yield (refused, state) if refused else ("deleted", state.with_object(key, None))


def _list(state: Bucket) -> Iterator[Outcome]:
    yield tuple(sorted(state.objects)) if state.there else NO_BUCKET, state


def _copy_from(state: Bucket, copy: str, key: str, if_match: str | None = None) -> Iterator[Outcome]:
    refused = _refusal(state, key, if_match or "*")
    etag = state.etag(key)
    if refused or etag is None:
        yield refused, state
    else:
        yield etag, replace(state, copies=state.copies | {(copy, etag)})


def _copy_to(state: Bucket, copy: str, key: str) -> Iterator[Outcome]:
    etag = dict(state.copies).get(copy)
    if etag is None:
        return  # the source is read first
    done = replace(state, copies=state.copies - {(copy, etag)})
    yield (etag, done.with_object(key, etag)) if state.there else (NO_BUCKET, done)


def _create_upload(state: Bucket, upload: str, key: str) -> Iterator[Outcome]:
    yield ("created", state.with_upload(upload, key, frozenset())) if state.there else (NO_BUCKET, state)


def _upload_part(state: Bucket, upload: str, key: str, number: int, etag: str) -> Iterator[Outcome]:
    parts = state.parts(upload)
    if parts is None:
        yield _no_upload(state), state
    else:
        others = frozenset(part for part in parts if part[0] != number)
        yield "uploaded", state.with_upload(upload, key, others | {(number, etag)})


def _list_parts(state: Bucket, upload: str) -> Iterator[Outcome]:
    parts = state.parts(upload)
    yield _no_upload(state) if parts is None else tuple(sorted(parts)), state


def _complete(
    state: Bucket, upload: str, key: str, parts: Sequence[tuple[int, str]], if_none_match: str | None = None
) -> Iterator[Outcome]:
    present, etag = state.parts(upload), multipart_etag([etag for _, etag in parts])
    if present is None:  # the same Complete again is answered as before, as long as its object is there
        yield (etag if state.etag(key) == etag else _no_upload(state)), state
    elif not present.issuperset(parts):
        yield INVALID_PART, state
    elif refused := _refusal(state, key, None, if_none_match):
        yield refused, state
    else:
        yield etag, state.with_upload(upload, key, None).with_object(key, etag)


def _abort(state: Bucket, upload: str, key: str) -> Iterator[Outcome]:
    if state.parts(upload) is None:
        yield _no_upload(state), state
    else:
        yield "aborted", state.with_upload(upload, key, None)


def _refusal(state: Bucket, key: str, if_match: str | None, if_none_match: str | None = None) -> str | None:
    """The code of the error of a write, or None if its conditions hold."""
    etag = state.etag(key)
    if not state.there:
        return NO_BUCKET
    if if_match is not None and etag is None:
        return NO_KEY
    if if_match is not None and if_match not in ("*", etag):
        return FAILED
    return FAILED if if_none_match is not None and etag is not None else None


def _no_upload(state: Bucket) -> str:
    return NO_UPLOAD if state.there else NO_BUCKET


_OPERATIONS: dict[str, Any] = {
    "create bucket": _create_bucket,
    "delete bucket": _delete_bucket,
    "put": _put,
    "get": _get,
    "head": _head,
    "delete": _delete,
    "list": _list,
    "copy from": _copy_from,
    "copy to": _copy_to,
    "create upload": _create_upload,
    "upload part": _upload_part,
    "list parts": _list_parts,
    "complete": _complete,
    "abort": _abort,
}
