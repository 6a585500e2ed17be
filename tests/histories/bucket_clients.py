"""Clients that work on the same bucket, the same few keys and the same uploads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from histories.bucket_model import FAILED, NO_BUCKET, NO_KEY, Bucket, BucketModel
from histories.recording import Client, Door, History, together
from pegbox.testing.linearisability import UNANSWERED, Call

KEYS = ("k", "l")

#: how often a client does what, by what a history is about
OBJECTS = {"put": 4, "get": 4, "head": 1, "delete": 2, "list": 2, "copy": 2}
UPLOADS = {"upload": 2, "part": 4, "complete": 4, "abort": 1, "parts": 2, "get": 3, "put": 1, "delete": 1}
BUCKETS = {"create bucket": 3, "delete bucket": 4, "put": 3, "delete": 4, "get": 2, "list": 2, "upload": 1, "part": 1}
MIXTURES = {"objects": OBJECTS, "uploads": UPLOADS, "buckets": BUCKETS}


def model_of(kind: str) -> BucketModel:
    """The model of what `bucket_calls` do; a bucket whose life is not the question is there from the beginning."""
    return BucketModel(Bucket(there=kind != "buckets"))


def bucket_calls(doors: Sequence[Door], kind: str, seed: str, *, clients: int = 6, calls: int = 20) -> list[Call]:
    """The history of clients that share a new bucket; `kind` is objects, uploads or buckets."""
    history = History(doors)
    work = _Work(history, f"{kind}-{seed}")
    if kind != "buckets":
        doors[0].insist("s3", lambda s3: s3.create_bucket(Bucket=work.bucket))
    mixture = MIXTURES[kind]

    def live(client: Client) -> None:
        for _ in range(calls):
            (operation,) = client.luck.choices(list(mixture), list(mixture.values()))
            work.operations[operation](client)

    together(clients, f"{kind}/{seed}", live)
    return history.calls()


class _Work:
    """The operations; what the clients know of each other's work is shared."""

    def __init__(self, history: History, bucket: str) -> None:
        self._ask = history.ask
        self._history = history
        self.bucket = bucket
        self._etags = ["0" * 32]  #: of what was written lately
        self._uploads: list[tuple[str, str]] = []
        self._parts: list[tuple[str, int, str]] = []
        self.operations: dict[str, Callable[[Client], object]] = {
            "create bucket": self.create_bucket,
            "delete bucket": self.delete_bucket,
            "put": self.put,
            "get": self.get,
            "head": self.head,
            "delete": self.delete,
            "list": self.list,
            "copy": self.copy,
            "upload": self.create_upload,
            "part": self.upload_part,
            "parts": self.list_parts,
            "complete": self.complete,
            "abort": self.abort,
        }

    def create_bucket(self, client: Client) -> None:
        # In another region than us-east-1 a bucket that is ours already is refused by name.
        where = {"LocationConstraint": "eu-west-1"}

        def work(s3: Any) -> str:
            s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)
            return "created"

        self._ask(client, "s3", "create bucket", work, _code)

    def delete_bucket(self, client: Client) -> None:
        def work(s3: Any) -> str:
            s3.delete_bucket(Bucket=self.bucket)
            return "deleted"

        self._ask(client, "s3", "delete bucket", work, _code)

    def put(self, client: Client) -> None:
        key, body = self._key(client), client.luck.randbytes(8)
        etag = hashlib.md5(body).hexdigest()
        self._etags = [*self._etags[-2:], etag]
        condition = client.luck.choice(["", "", "if_match", "if_none_match"])
        if_match = client.luck.choice(self._etags) if condition == "if_match" else None
        if_none_match = "*" if condition == "if_none_match" else None
        headers = _present({"IfMatch": if_match, "IfNoneMatch": if_none_match})

        def work(s3: Any) -> str:
            s3.put_object(Bucket=self.bucket, Key=key, Body=body, **headers)
            return "put"

        self._ask(client, "s3", "put", work, _code, key=key, etag=etag, if_match=if_match, if_none_match=if_none_match)

    def get(self, client: Client) -> None:
        key = self._key(client)

        def work(s3: Any) -> str:
            found = s3.get_object(Bucket=self.bucket, Key=key)
            body, etag = found["Body"].read(), found["ETag"].strip('"')
            assert "-" in etag or hashlib.md5(body).hexdigest() == etag
            return str(etag)

        self._ask(client, "s3", "get", work, _code, reads=True, key=key)

    def head(self, client: Client) -> None:
        key = self._key(client)

        def work(s3: Any) -> str:
            return str(s3.head_object(Bucket=self.bucket, Key=key)["ETag"].strip('"'))

        self._ask(client, "s3", "head", work, _code, reads=True, key=key)

    def delete(self, client: Client) -> None:
        key = self._key(client)
        if_match = client.luck.choice([None, None, *self._etags])

        def work(s3: Any) -> str:
            s3.delete_object(Bucket=self.bucket, Key=key, **_present({"IfMatch": if_match}))
            return "deleted"

        self._ask(client, "s3", "delete", work, _code, key=key, if_match=if_match)

    def list(self, client: Client) -> None:
        def work(s3: Any) -> tuple[tuple[str, str], ...]:
            found = s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
            return tuple((item["Key"], item["ETag"].strip('"')) for item in found)

        self._ask(client, "s3", "list", work, _code, reads=True)

    def copy(self, client: Client) -> None:
        """One request, two calls of the model."""
        source, key = client.luck.sample(KEYS, 2)
        if_match = client.luck.choice([None, *self._etags])
        history = History([client.luck.choice(self._history.doors)])

        def work(s3: Any) -> str:
            headers = _present({"CopySourceIfMatch": if_match})
            given = {"Bucket": self.bucket, "Key": source}
            copied = s3.copy_object(Bucket=self.bucket, Key=key, CopySource=given, **headers)
            return str(copied["CopyObjectResult"]["ETag"].strip('"'))

        copy = client.luck.randbytes(4).hex()
        answer = history.ask(client, "s3", "copy from", work, _code, copy=copy, key=source, if_match=if_match)
        for door, call in history.recorded:
            self._history.add(door, call)
            if answer not in (NO_BUCKET, NO_KEY, FAILED):
                self._history.add(door, _renamed(call, "copy to", copy=copy, key=key))

    def create_upload(self, client: Client) -> None:
        key = self._key(client)
        identity: list[str] = []

        def work(s3: Any) -> str:
            identity.append(s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"])
            return "created"

        history = History([client.luck.choice(self._history.doors)])
        answer = history.ask(client, "s3", "create upload", work, _code, key=key)
        for door, call in history.recorded:
            if answer != UNANSWERED:  # one that nobody has been told of is seen by nobody
                upload = identity[0] if identity else ""
                self._history.add(door, _renamed(call, "create upload", upload=upload, key=key))
                self._uploads = [*self._uploads[-1:], (upload, key)] if upload else self._uploads

    def upload_part(self, client: Client) -> None:
        if not self._uploads:
            return
        upload, key = client.luck.choice(self._uploads)
        # Few contents and two numbers: parts are replaced by others and by the same, while they are being completed.
        number, body = client.luck.choice([1, 2]), client.luck.choice([b"x", b"y"])
        etag = hashlib.md5(body).hexdigest()

        def work(s3: Any) -> str:
            s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
            return "uploaded"

        self._parts = [*self._parts[-5:], (upload, number, etag)]
        self._ask(client, "s3", "upload part", work, _code, upload=upload, key=key, number=number, etag=etag)

    def list_parts(self, client: Client) -> None:
        if not self._uploads:
            return
        upload, key = client.luck.choice(self._uploads)

        def work(s3: Any) -> tuple[tuple[int, str], ...]:
            found = s3.list_parts(Bucket=self.bucket, Key=key, UploadId=upload).get("Parts", [])
            return tuple((part["PartNumber"], part["ETag"].strip('"')) for part in found)

        self._ask(client, "s3", "list parts", work, _code, reads=True, upload=upload)

    def complete(self, client: Client) -> None:
        if not self._uploads:
            return
        upload, key = client.luck.choice(self._uploads)
        known = [part[1:] for part in self._parts if part[0] == upload] or [(1, "0" * 32)]
        part = client.luck.choice(known)
        if_none_match = client.luck.choice([None, None, "*"])
        listed = [{"PartNumber": part[0], "ETag": part[1]}]

        def work(s3: Any) -> str:
            done = s3.complete_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": listed},
                **_present({"IfNoneMatch": if_none_match}),
            )
            return str(done["ETag"].strip('"'))

        arguments = {"upload": upload, "key": key, "parts": (part,), "if_none_match": if_none_match}
        self._ask(client, "s3", "complete", work, _code, **arguments)

    def abort(self, client: Client) -> None:
        if not self._uploads:
            return
        upload, key = client.luck.choice(self._uploads)

        def work(s3: Any) -> str:
            s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)
            return "aborted"

        self._ask(client, "s3", "abort", work, _code, upload=upload, key=key)

    def _key(self, client: Client) -> str:
        return client.luck.choice(KEYS)


def _renamed(call: Call, operation: str, **arguments: Any) -> Call:
    return replace(call, operation=operation, arguments=_present(arguments))


def _present(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
