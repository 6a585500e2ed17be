"""What is refused: every sub-resource, by every method, and headers that ask for what is not done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import pytest
from s3_client import Raw, code, read
from starlette.datastructures import Headers

from pegbox.errors import S3Error
from pegbox.wire import rest_s3
from pegbox.wire.rest_s3.checksums import LENGTHS
from pegbox.wire.rest_s3.endpoint import ROUTES, name_of
from pegbox.wire.rest_s3.refusals import SUBRESOURCES, check_demands

ALSO = "x-amz-copy-source", "/no/where"  #: must not turn a refused PUT into a copy

NOT_SERVED = [
    ("put_object_acl", {"ACL": "public-read"}),
    ("put_object_acl", {"GrantRead": "id=1"}),
    ("put_object_legal_hold", {"LegalHold": {"Status": "ON"}}),
    ("put_object_retention", {"Retention": {"Mode": "GOVERNANCE"}}),
    ("get_object_retention", {}),
    ("get_object_torrent", {}),
    ("restore_object", {"RestoreRequest": {}}),
    ("put_object", {"Body": b"new", "ACL": "public-read"}),
    ("put_object", {"Body": b"new", "ServerSideEncryption": "AES256"}),
    ("put_object", {"Body": b"new", "StorageClass": "GLACIER"}),
    ("put_object", {"Body": b"new", "GrantRead": "id=1"}),
    ("put_object", {"Body": b"new", "WriteOffsetBytes": 4}),
    ("put_object", {"Body": b"new", "ChecksumSHA512": "A" * 86 + "=="}),
    ("delete_object", {"IfMatchSize": 999}),
    ("delete_object", {"IfMatchLastModifiedTime": 978307200}),
]


def everything(s3: Any, bucket: str) -> Any:
    """All that can be read of a bucket with one object."""
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    head.pop("ResponseMetadata")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return head, keys, tags, uploads, read(s3, bucket, "k")


@pytest.fixture
def full(s3: Any, bucket: str) -> str:
    s3.put_object(
        Bucket=bucket, Key="k", Body=b"kept", Metadata={"m": "1"}, ContentType="text/x", Tagging="a=b", CacheControl="c"
    )
    return bucket


@pytest.mark.parametrize("place", ["object", "bucket"])
def test_no_subresource_touches_anything(url: str, s3: Any, full: str, place: str) -> None:
    before = everything(s3, full)
    tried = 0
    for name in sorted(SUBRESOURCES - {"versionId"}):
        for method in ("PUT", "POST", "DELETE", "COPY", "PATCH"):
            if (method, place, frozenset({name})) in ROUTES:
                continue
            for headers in ({}, dict([ALSO])):
                path = f"/{full}/k" if place == "object" else f"/{full}"
                answer = Raw(url, method, path, f"{name}=1", headers, b"<new/>").send()
                assert (answer.status, b"<Code>NotImplemented</Code>" in answer.body) == (501, True), (method, name)
                tried += 1
    assert tried > 300
    assert everything(s3, full) == before


@pytest.mark.parametrize(("operation", "arguments"), NOT_SERVED)
def test_what_is_not_served_never_touches_the_object(
    s3: Any, full: str, operation: str, arguments: dict[str, Any]
) -> None:
    before = everything(s3, full)
    assert code(getattr(s3, operation), Bucket=full, Key="k", **arguments) == ("NotImplemented", 501)
    assert everything(s3, full) == before


@pytest.mark.parametrize("condition", [{"Size": 4}, {"LastModifiedTime": 978307200}])
def test_conditions_that_are_not_looked_at_delete_nothing(s3: Any, full: str, condition: dict[str, Any]) -> None:
    before = everything(s3, full)
    named = {"Objects": [{"Key": "other"}, {"Key": "k", **condition}]}
    assert code(s3.delete_objects, Bucket=full, Delete=named) == ("NotImplemented", 501)
    assert everything(s3, full) == before


KINDS_OF_BUCKETS: list[dict[str, Any]] = [
    {"ObjectOwnership": "ObjectWriter"},
    {"BucketNamespace": "account-regional"},
    {"CreateBucketConfiguration": {"Bucket": {"Type": "Directory", "DataRedundancy": "SingleAvailabilityZone"}}},
    {"CreateBucketConfiguration": {"Location": {"Type": "AvailabilityZone", "Name": "x"}}},
]


@pytest.mark.parametrize("kind", KINDS_OF_BUCKETS)
def test_other_kinds_of_buckets_are_not_made(s3: Any, kind: dict[str, Any]) -> None:
    assert code(s3.create_bucket, Bucket="another-kind", **kind) == ("NotImplemented", 501)
    assert code(s3.head_bucket, Bucket="another-kind") == ("404", 404)


#: headers of the model that ask for nothing where there are no versions, locks, annotations, payers and archives
HARMLESS = {
    "x-amz-bypass-governance-retention",
    "x-amz-mfa",
    "x-amz-object-annotation-directive",
    "x-amz-optional-object-attributes",
    "x-amz-request-payer",
}


def test_every_header_of_the_model_is_known() -> None:
    model = botocore.session.get_session().get_service_model("s3")
    source = "".join(path.read_text().lower() for path in Path(rest_s3.__file__).parent.glob("*.py"))
    unknown = set()
    for name in {name_of(operation) for operation in ROUTES.values()} & set(model.operation_names):
        shape = model.operation_model(name).input_shape
        for member in shape.members.values() if shape else ():
            header = member.serialization.get("name", "").lower()
            plain = header.removeprefix("x-amz-copy-source-")
            if member.serialization.get("location") == "header" and not {f'"{header}"', f'"{plain}"'} & {
                word for word in (f'"{header}"', f'"{plain}"') if word in source
            }:
                unknown.add(header)
    refused = {name for name in unknown if is_refused(name)}
    checksums = {f"x-amz-checksum-{name}" for name in LENGTHS}
    assert unknown - refused - checksums == HARMLESS


def is_refused(header: str) -> bool:
    try:
        check_demands(Headers({header: "anything"}))
    except S3Error:
        return True
    return False


def test_unserved_configurations_are_refused(s3: Any, full: str) -> None:
    before = everything(s3, full)
    versions = {"VersioningConfiguration": {"Status": "Enabled"}}
    rule = {"ID": "1", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    assert code(s3.put_bucket_versioning, Bucket=full, **versions) == ("NotImplemented", 501)
    assert code(s3.put_bucket_policy, Bucket=full, Policy="{}") == ("NotImplemented", 501)
    assert code(s3.put_bucket_acl, Bucket=full, ACL="public-read") == ("NotImplemented", 501)
    life = {"LifecycleConfiguration": {"Rules": [rule]}}
    assert code(s3.put_bucket_lifecycle_configuration, Bucket=full, **life) == ("NotImplemented", 501)
    owners = {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}
    assert code(s3.put_bucket_ownership_controls, Bucket=full, **owners) == ("NotImplemented", 501)
    assert code(s3.delete_bucket_ownership_controls, Bucket=full) == ("NotImplemented", 501)
    assert everything(s3, full) == before


ABSENT = {
    "get_bucket_policy": "NoSuchBucketPolicy",
    "get_bucket_policy_status": "NoSuchBucketPolicy",
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "get_bucket_cors": "NoSuchCORSConfiguration",
    "get_bucket_website": "NoSuchWebsiteConfiguration",
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
    "get_public_access_block": "NoSuchPublicAccessBlockConfiguration",
}


UNREMOVABLE = {"bucket_policy_status", "object_lock_configuration"}


@pytest.mark.parametrize("operation", ABSENT)
def test_what_a_bucket_does_not_have(s3: Any, bucket: str, operation: str) -> None:
    assert code(getattr(s3, operation), Bucket=bucket) == (ABSENT[operation], 404)
    assert code(getattr(s3, operation), Bucket="no-such-bucket") == ("NoSuchBucket", 404)


@pytest.mark.parametrize("what", sorted({name.removeprefix("get_") for name in ABSENT} - UNREMOVABLE))
def test_what_a_bucket_does_not_have_can_be_removed(s3: Any, full: str, what: str) -> None:
    before = everything(s3, full)
    remove = getattr(s3, f"delete_{what}".removesuffix("_configuration"))
    assert remove(Bucket=full)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert code(remove, Bucket="no-such-bucket") == ("NoSuchBucket", 404)
    assert everything(s3, full) == before


EMPTY = {
    "get_bucket_versioning": {},
    "get_bucket_logging": {},
    "get_bucket_notification_configuration": {},
    "get_bucket_accelerate_configuration": {},
    "get_bucket_request_payment": {"Payer": "BucketOwner"},
    "get_bucket_ownership_controls": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
}


@pytest.mark.parametrize("operation", EMPTY)
def test_what_is_not_configured(s3: Any, bucket: str, operation: str) -> None:
    found = getattr(s3, operation)(Bucket=bucket)
    found.pop("ResponseMetadata")
    assert found == EMPTY[operation]
    assert code(getattr(s3, operation), Bucket="no-such-bucket") == ("NoSuchBucket", 404)


def test_access_control_lists_are_private(s3: Any, full: str) -> None:
    before = everything(s3, full)
    owner = {"ID": "111111111111", "DisplayName": "111111111111"}
    grant = {"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    for read_acl, write_acl, at in (
        (s3.get_object_acl, s3.put_object_acl, {"Bucket": full, "Key": "k"}),
        (s3.get_bucket_acl, s3.put_bucket_acl, {"Bucket": full}),
    ):
        found = read_acl(**at)
        assert (found["Owner"], found["Grants"]) == (owner, [grant])
        write_acl(**at, ACL="private")
        write_acl(**at, AccessControlPolicy={"Owner": owner, "Grants": [grant]})
        other = {**grant, "Grantee": {"ID": "222222222222", "Type": "CanonicalUser"}}
        for grants in ([grant, other], [other], [], [{**grant, "Permission": "READ"}]):
            policy = {"Owner": owner, "Grants": grants}
            assert code(write_acl, **at, AccessControlPolicy=policy) == ("NotImplemented", 501)
    assert everything(s3, full) == before
    assert code(s3.get_object_acl, Bucket=full, Key="no") == ("NoSuchKey", 404)
    assert code(s3.put_object_acl, Bucket=full, Key="no", ACL="private") == ("NoSuchKey", 404)


def test_an_acl_that_cannot_be_meant(url: str, s3: Any, full: str) -> None:
    assert code(s3.put_object, Bucket=full, Key="k", Body=b"new", ACL="public-ready") == ("InvalidArgument", 400)
    assert Raw(url, "PUT", f"/{full}/k", "acl").send().status == 400
    assert read(s3, full, "k") == b"kept"


def test_storage_classes_that_there_are_not(s3: Any, full: str) -> None:
    for write in (s3.put_object, s3.create_multipart_upload):
        assert code(write, Bucket=full, Key="k", StorageClass="STANDARDD") == ("InvalidStorageClass", 400)
    assert read(s3, full, "k") == b"kept"


REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "s3.md"
#: values of headers that ask for something; any other header gets "1"
ASKING = {
    "x-amz-acl": "public-read",
    "x-amz-object-ownership": "ObjectWriter",
    "x-amz-storage-class": "GLACIER",
    "x-amz-bucket-namespace": "account-regional",
}


def asked_for(url: str, bucket: str, named: str) -> tuple[int, bytes]:
    """The answer to a request for what the reference names so."""
    key = f"/{bucket}/k"
    if named == "no signature" or named.startswith("Authorization: "):
        name, _, value = named.partition(": ")
        answer = httpx.get(f"{url}{key}", headers={name: value} if value else {})
        return answer.status_code, answer.content
    if named.startswith("x-amz-"):
        told = Raw(url, "PUT", key, headers={named: ASKING.get(named, "1")}, body=b"new").send()
    elif named.startswith("PUT ?"):
        told = Raw(
            url, "PUT", f"/{bucket}", named.removeprefix("PUT ?"), {"x-amz-acl": "public-read"}, b"<new/>"
        ).send()
    elif named == "versionId":
        told = Raw(url, "GET", key, "versionId=1").send()
    else:
        assert named.startswith("?"), named
        told = Raw(url, "PUT", key, named[1:], body=b"<new/>").send()
    return told.status, told.body


def test_what_is_not_served_is_answered_as_the_reference_says(url: str, s3: Any, full: str) -> None:
    before = everything(s3, full)
    table = REFERENCE.read_text().partition("| not served |")[2].split("\n\n")[0]
    in_words = ("STANDARD", "null", "PUT", "CreateBucketConfiguration", "Bucket", "Location")
    tried = 0
    for row in table.splitlines()[2:]:
        what, asked, answer, _ = row.strip("| ").split(" | ")
        status, refusal = answer.rstrip("`").split(" `")
        for named in re.findall(r"`([^`]+)`", asked) or [asked]:
            if named not in in_words:
                found, body = asked_for(url, full, named)
                assert (found, f"<Code>{refusal}</Code>".encode() in body) == (int(status), True), (what, named)
                tried += 1
    assert tried > 20
    assert everything(s3, full) == before


def test_every_subresource_of_the_model_is_known() -> None:
    model = botocore.session.get_session().get_service_model("s3")
    named = set()
    for name in model.operation_names:
        _, _, query = model.operation_model(name).http["requestUri"].partition("?")
        named |= {part.partition("=")[0] for part in query.split("&") if part}
    assert named - {"x-id", "id"} <= SUBRESOURCES
