"""Requests drawn from botocore's models: valid ones with one member changed, and values from the shapes alone."""

from __future__ import annotations

import base64
import contextlib
import copy
import hmac
import json
import random
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.serialize import create_serializer

from pegbox.app import operation_table
from pegbox.wire.service import enum_of, matcher, pattern_of, service_model
from pegbox.wire.sigv4 import Scope, derive_key

BUCKET = "fuzz"
#: values that mean something to some member; those that match a member's pattern are preferred
KNOWN = [
    "a", "job-1", "job-2", "x", "loss", "loss=(.*?);", "0.5", "1", "10", "arn:aws:iam::000000000000:role/x",
    f"s3://{BUCKET}/in", f"s3://{BUCKET}", "s3://nobody/x", "file:///tmp/nothing", "ml.m5.large", "local", "nobody:1",
    "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1.7-1", "/opt/ml/checkpoints", "subnet-1", "sg-1", "Text",
]  # fmt: skip
WILD = [
    "", " ", "\x00", "\ud800", "\u202e", "é" * 300, "a" * 70_000, "../../etc/passwd", "%00", "%2e%2e/", "\r\nx: y",
    "'; --",
    "${x}", "NaN", "[" * 200, "-1", "9" * 400, "\U0001f600", "\x7f\x1b[2J", "null", "true", "1e999", "<a/>", "]]>",
    "&#0;",
]  # fmt: skip
NUMBERS = [
    0,
    1,
    -1,
    2,
    100,
    2**31 - 1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    -0.0,
    1e308,
    1e-320,
    253402300800,
    1.5e12,
]
HEADERS = [
    "range", "if-match", "if-none-match", "if-modified-since", "content-md5", "content-type", "content-encoding",
    "expect",
    "x-amz-copy-source", "x-amz-copy-source-range", "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",
    "x-amz-decoded-content-length", "x-amz-meta-a", "x-amz-acl", "x-amz-tagging", "x-amz-expected-bucket-owner",
    "cache-control",
    "x-amz-metadata-directive", "x-amz-mp-object-size", "x-amz-checksum-mode", "if-range", "expires",
    "x-amz-object-attributes",
    "x-amz-content-sha256", "x-amz-date", "date", "host",
]  # fmt: skip
QUERIES = [
    "uploads", "uploadId", "partNumber", "list-type", "prefix", "delimiter", "marker", "max-keys", "continuation-token",
    "start-after", "encoding-type", "delete", "location", "versions", "versioning", "acl", "tagging", "versionId",
    "attributes",
    "response-content-type", "response-expires", "response-content-disposition", "max-parts", "part-number-marker",
    "key-marker", "upload-id-marker", "max-uploads", "version-id-marker", "fetch-owner", "x-id", "policy", "torrent",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it goes over the wire."""

    what: str
    head: bytes
    body: bytes = b""


@dataclass(slots=True)
class Shapes:
    """Draws requests for a server at `netloc`, signed with its key."""

    rng: random.Random
    netloc: str
    credentials: Credentials
    made: list[str] = field(default_factory=lambda: ["job-1"])

    def request(self) -> Sent:
        """One request of any service, that a client can sign: botocore cannot where headers hold half a character."""
        while True:
            with contextlib.suppress(UnicodeEncodeError):
                return self._request()

    def _request(self) -> Sent:
        kind = self.rng.random()
        if kind < 0.45:
            return self._json()
        if kind < 0.5:
            return self._form()
        if kind < 0.53:
            return self._upload_form()
        return self._s3_by_model() if kind < 0.77 else self._s3_by_hand()

    # -- values

    def value(self, shape: Shape, depth: int = 0) -> Any:
        """A value for a shape, more often right than wrong."""
        if self.rng.random() < 0.06:
            return self.wild(depth)
        if isinstance(shape, StructureShape):
            names = [n for n in shape.members if n in shape.required_members or self.rng.random() < 0.4 / (depth + 1)]
            return {name: self.value(shape.members[name], depth + 1) for name in names} if depth < 12 else {}
        if isinstance(shape, ListShape):
            return [self.value(shape.member, depth + 1) for _ in range(self._count(shape))]
        if isinstance(shape, MapShape):
            return {
                str(self.value(shape.key, 9)): self.value(shape.value, depth + 1) for _ in range(self._count(shape))
            }
        return self._scalar(shape)

    def wild(self, depth: int = 0) -> Any:
        """Anything that JSON can say."""
        kind = self.rng.randrange(7)
        if kind == 0 and depth < 6:
            return [self.wild(depth + 1) for _ in range(self.rng.randrange(4))]
        if kind == 1 and depth < 6:
            return {self.text(): self.wild(depth + 1) for _ in range(self.rng.randrange(4))}
        return self.rng.choice([None, True, self.rng.choice(NUMBERS), self.rng.choice(WILD), self.text()])

    def text(self) -> str:
        """Short text of all planes."""
        letters = [*string.printable, *"é€\U0001f600\x00\x85\u2028"]
        return "".join(self.rng.choice(letters) for _ in range(self.rng.randrange(12)))

    def _count(self, shape: Shape) -> int:
        low = int(shape.metadata.get("min", 0))
        return self.rng.choice([low, low, low + 1, 1, 2])

    def _scalar(self, shape: Shape) -> Any:
        kind = shape.type_name
        if kind in ("integer", "long"):
            low, high = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 1000))
            return self.rng.choice([low, high, self.rng.randint(low, max(low, high)), self.rng.choice(NUMBERS)])
        if kind in ("float", "double", "timestamp"):
            return self.rng.choice([0.5, 1.7e9, self.rng.choice(NUMBERS)])
        if kind == "boolean":
            return self.rng.random() < 0.5
        if kind == "blob":
            return "YQ=="
        return self._string(shape)

    def _string(self, shape: Shape) -> str:
        if values := enum_of(shape):
            return self.rng.choice(values)
        if shape.name.endswith("JobName") and self.rng.random() < 0.7:
            return self.rng.choice(self.made[-50:])
        pattern = pattern_of(shape)
        match = matcher(pattern) if pattern else None
        fits = [text for text in KNOWN if match is None or match(text)]
        return self.rng.choice(fits) if fits and self.rng.random() < 0.85 else self.rng.choice([*WILD, self.text()])

    # -- SageMaker and STS

    def _json(self) -> Sent:
        names = [name for service, name in operation_table() if service == "sagemaker"]
        name = self.rng.choice(names)
        shape = service_model("sagemaker").operation_model(name).input_shape
        valid = self._valid(name)
        document = self.value(shape) if valid is None or self.rng.random() < 0.4 else self._mutated(valid, shape)
        text = json.dumps(document)
        if self.rng.random() < 0.05:
            text = self._broken(text)
        headers = {"X-Amz-Target": f"SageMaker.{name}", "Content-Type": "application/x-amz-json-1.1"}
        return self._signed(name, "POST", "/", headers, text.encode("utf-8", "surrogatepass"), "sagemaker")

    def _valid(self, name: str) -> dict[str, Any] | None:
        if not name.startswith("Create"):
            return None
        new = f"job-{len(self.made)}-{self.rng.randrange(10**9)}"
        training = {
            "AlgorithmSpecification": {"TrainingImage": "nobody", "TrainingInputMode": "File"},
            "RoleArn": "arn:aws:iam::000000000000:role/x",
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        if name == "CreateTrainingJob":
            self.made.append(new)
            return {"TrainingJobName": new, **training}
        if name != "CreateHyperParameterTuningJob":
            return None
        self.made.append(new[:32])
        ranges = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
        return {
            "HyperParameterTuningJobName": new[:32],
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
                "ParameterRanges": ranges,
            },
            "TrainingJobDefinition": {
                **training,
                "AlgorithmSpecification": {
                    "TrainingImage": "nobody",
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
                },
            },
        }

    def _mutated(self, valid: dict[str, Any], shape: Shape) -> Any:
        """The valid request with up to three members anywhere in it replaced, added or left out."""
        document = copy.deepcopy(valid)
        for _ in range(self.rng.randrange(4)):
            place: Any = document
            inner: Any = shape
            while isinstance(inner, StructureShape) and isinstance(place, dict):
                name = self.rng.choice(list(inner.members))
                child = inner.members[name]
                if isinstance(child, StructureShape) and isinstance(place.get(name), dict) and self.rng.random() < 0.8:
                    place, inner = place[name], child
                    continue
                if self.rng.random() < 0.15:
                    place.pop(name, None)
                else:
                    place[name] = self.value(child, 2)
                break
        return document

    def _broken(self, text: str) -> str:
        at = self.rng.randrange(len(text) + 1)
        insert = ["[" * 500, '"', "NaN", "1" * 5000, "\\u12", '{"a":' * 300, "\x00", "}"]
        return text[:at] + self.rng.choice(insert) + text[at:]

    def _form(self) -> Sent:
        given = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
        if self.rng.random() < 0.7:
            given[self.rng.choice(["Action", "Version", self.text()])] = self.rng.choice([*WILD, self.text()])
        body = urlencode(given, errors="replace").encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._signed("sts", "POST", "/", headers, body, "sts")

    def _upload_form(self) -> Sent:
        """An upload from a web form with a signed policy."""
        rng, now = self.rng, datetime.now(UTC)
        scope = Scope(str(self.credentials.access_key), f"{now:%Y%m%d}", "us-east-1", "s3")
        fields = {"key": rng.choice(["k", "in/${filename}", self.text()]), "x-amz-algorithm": "AWS4-HMAC-SHA256"}
        fields |= {"x-amz-credential": f"{scope.key_id}/{scope}", "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}"}
        names = ["success_action_status", "success_action_redirect", "tagging", "acl", "content-type", "x-amz-meta-a"]
        fields |= {rng.choice(names): rng.choice([*KNOWN, *WILD])[:300] for _ in range(rng.randrange(3))}
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        if rng.random() < 0.3:
            conditions.append(rng.choice([self.wild(), ["content-length-range", self.wild(), 10]]))
        document = {"expiration": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", "conditions": conditions}
        policy = base64.b64encode(json.dumps(document).encode("utf-8", "surrogatepass")).decode()
        key = derive_key(str(self.credentials.secret_key), scope)
        fields |= {"policy": policy, "x-amz-signature": hmac.digest(key, policy.encode(), "sha256").hex()}
        parts = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
        parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ndata\r\n--b--\r\n')
        body = "".join(parts).encode("utf-8", "surrogatepass")
        host = rng.choice([self.netloc] * 9 + ["["])
        head = f"POST /{BUCKET} HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        return Sent("upload form", f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode(), body)

    # -- S3

    def _s3_by_model(self) -> Sent:
        model = service_model("s3")
        name = self.rng.choice(model.operation_names)
        operation: OperationModel = model.operation_model(name)
        given = self.value(operation.input_shape) if operation.input_shape else {}
        given = {**given, "Bucket": BUCKET} if isinstance(given, dict) else {"Bucket": BUCKET}
        if "Key" in (operation.input_shape.members if operation.input_shape else {}):
            given["Key"] = self.rng.choice(["k", "a/b", "é", self.text() or "x"])
        if "Body" in given:
            given["Body"] = b"body"
        try:
            found: Mapping[str, Any] = create_serializer("rest-xml", False).serialize_to_request(given, operation)
        except Exception:  # nothing that a client could send
            return self._s3_by_hand()
        query = urlencode({str(k): str(v) for k, v in found["query_string"].items()}, errors="replace")
        path, _, fixed = str(found["url_path"]).partition("?")
        target = f"/{BUCKET}{path}" if not path.startswith(f"/{BUCKET}") else path
        target = quote(target, safe="/%~") + "?" + "&".join(part for part in (fixed, query) if part)
        body = found["body"] if isinstance(found["body"], bytes) else str(found["body"] or "").encode()
        headers = {str(k): str(v) for k, v in found["headers"].items() if _is_header(str(v))}
        return self._signed(f"s3 {name}", str(found["method"]), target.rstrip("?"), headers, body, "s3")

    def _s3_by_hand(self) -> Sent:
        """Any method, path, query and headers."""
        rng = self.rng
        method = rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "COPY", "get"])
        key = rng.choice(
            ["", "/", "/k", "/a/../b", "/" + quote(self.text(), errors="replace"), "/" + "k" * 1100, "//", "/%ff"]
        )
        path = rng.choice(["/", f"/{BUCKET}{key}", f"/{BUCKET}{key}", "/no" + key, "/%00/x", "/health"])
        names = [rng.choice([*QUERIES, self.text()]) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
        pairs = [f"{_quoted(name)}={_quoted(rng.choice([*KNOWN, *WILD])[:500])}" for name in names]
        headers = {
            rng.choice(HEADERS): rng.choice([*KNOWN, *WILD, "bytes=0-", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
            for _ in range(rng.randrange(4))
        }
        headers = {name: value[:2000] for name, value in headers.items() if _is_header(value)}
        body = rng.choice(
            [b"", b"data", self._xml(), bytes(rng.randrange(256) for _ in range(50)), b"4\r\ndata\r\n0\r\n\r\n"]
        )
        return self._signed("s3 by hand", method, path + ("?" + "&".join(pairs) if pairs else ""), headers, body, "s3")

    def _xml(self) -> bytes:
        part = "<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
        documents = [
            f"<CompleteMultipartUpload>{part * self.rng.choice([0, 1, 3, 10_001])}</CompleteMultipartUpload>",
            f"<Delete>{'<Object><Key>k</Key></Object>' * self.rng.choice([0, 1, 1001])}</Delete>",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
            "<a>" * self.rng.choice([10, 10_000]),
            '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;&b;">]><Delete>&d;</Delete>',
            "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
        ]
        return self.rng.choice(documents).encode()

    # -- signing

    def _signed(
        self, what: str, method: str, target: str, headers: Mapping[str, str], body: bytes, service: str
    ) -> Sent:
        way = self.rng.random() if service == "s3" else 1.0
        bound = b"" if way < 0.15 else body  # the signature of a URL does not know the body
        request = AWSRequest(method, f"http://{self.netloc}{target}", dict(headers), bound)
        if way < 0.1:
            S3SigV4QueryAuth(self.credentials, service, "us-east-1", expires=600).add_auth(request)
        elif way < 0.15:
            HmacV1QueryAuth(self.credentials, expires=600).add_auth(request)
        elif service == "s3":
            S3SigV4Auth(self.credentials, service, "us-east-1").add_auth(request)
        else:
            SigV4Auth(self.credentials, service, "us-east-1").add_auth(request)
        target = request.url.partition(self.netloc)[2] or "/"
        named = {name.lower() for name in request.headers}
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [] if "host" in named else [f"Host: {self.netloc}"]
        lines += [
            f"{name}: {value if isinstance(value, str) else value.decode()}" for name, value in request.headers.items()
        ]
        lines += [] if "content-length" in named else [f"Content-Length: {len(body)}"]
        lines.append("Connection: close")
        return Sent(what, "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass"), body)


def _quoted(text: str) -> str:
    return quote(text, errors="replace")


def _is_header(value: str) -> bool:
    return value.isprintable() and value.isascii()
