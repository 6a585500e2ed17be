"""Operations on buckets."""

from __future__ import annotations

import ipaddress
import re

from starlette.responses import Response

from pegbox.errors import S3Error
from pegbox.objects.stored import FIRST_REGION, Bucket
from pegbox.wire.rest_s3 import xml
from pegbox.wire.rest_s3.body import receive_document
from pegbox.wire.rest_s3.call import Call, in_thread, invalid_argument
from pegbox.wire.rest_s3.refusals import not_implemented
from pegbox.wire.rest_s3.tags import MOST_OF_BUCKET, tags_of_set

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


async def list_buckets(call: Call) -> Response:
    """ListBuckets."""
    limit = call.number("max-buckets", 10_000, 10_000)
    after, prefix, region = (call.query.get(n, "") for n in ("continuation-token", "prefix", "bucket-region"))
    found = [
        bucket
        for bucket in await in_thread(call.store.buckets.all, call.account)
        if bucket.name > after and bucket.name.startswith(prefix) and region in ("", bucket.region)
    ]
    page = found[:limit]
    body = xml.document(
        "ListAllMyBucketsResult",
        xml.branch("Owner", xml.leaves({"ID": call.account, "DisplayName": call.account})),
        xml.branch("Buckets", *(_bucket(bucket) for bucket in page)),
        xml.leaf("Prefix", prefix or None),
        xml.leaf("ContinuationToken", page[-1].name if page and len(found) > limit else None),
    )
    return xml_response(body)


async def create_bucket(call: Call) -> Response:
    """CreateBucket, in the region of LocationConstraint or else of the caller."""
    check_bucket_name(call.bucket)
    region, tags = _configuration(await receive_document(call))
    if region and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", region):
        message = "The specified location-constraint is not valid"
        raise S3Error("InvalidLocationConstraint", 400, message, {"LocationConstraint": region})
    place = "eu-west-1" if region == "EU" else region or call.caller.region or FIRST_REGION
    await in_thread(call.store.buckets.create, call.account, call.bucket, place, tags)
    return Response(None, 200, {"location": f"/{call.bucket}"})


async def head_bucket(call: Call) -> Response:
    """HeadBucket."""
    bucket = await in_thread(call.store.buckets.get, call.account, call.bucket)
    return Response(None, 200, {"x-amz-bucket-region": bucket.region, "content-type": "application/xml"})


async def delete_bucket(call: Call) -> Response:
    """DeleteBucket."""
    await in_thread(call.store.buckets.delete, call.account, call.bucket)
    return Response(None, 204)


async def get_bucket_location(call: Call) -> Response:
    """GetBucketLocation; empty for us-east-1."""
    bucket = await in_thread(call.store.buckets.get, call.account, call.bucket)
    return xml_response(xml.document("LocationConstraint", "" if bucket.region == FIRST_REGION else bucket.region))


async def check_owner(call: Call) -> None:
    """x-amz-expected-bucket-owner and its like for the source of a copy.  Raises S3Error AccessDenied."""
    for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
        if call.headers.get(name, call.account) != call.account:
            raise S3Error("AccessDenied", 403, "Access Denied")


def check_bucket_name(name: str) -> None:
    """The naming rules of general purpose buckets.  Raises S3Error InvalidBucketName."""
    if not _NAME.fullmatch(name) or name.startswith(_RESERVED_PREFIXES) or name.endswith(_RESERVED_SUFFIXES):
        raise _bad_name(name)
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return
    raise _bad_name(name)


def xml_response(body: str, headers: dict[str, str] | None = None) -> Response:
    """An answer with an XML body."""
    return Response(body, 200, headers, media_type="application/xml")


def check_encoding(call: Call) -> bool:
    """Whether keys are to be percent-encoded.  Raises S3Error InvalidArgument."""
    encoding = call.query.get("encoding-type")
    if encoding not in (None, "", "url"):
        raise invalid_argument("encoding-type", encoding, "Invalid Encoding Method specified in Request")
    return encoding == "url"


def _configuration(body: bytes) -> tuple[str | None, dict[str, str] | None]:
    """Region and tags of a CreateBucketConfiguration, None where it says nothing.  Raises S3Error."""
    if not body:
        return None, None
    given = xml.parse(body, "CreateBucketConfiguration")
    for element in given:
        if element.tag not in ("LocationConstraint", "Tags"):  # zones, directory buckets
            raise not_implemented(element.tag)
    tags = given.find("Tags")
    return xml.text_of(given, "LocationConstraint"), None if tags is None else tags_of_set(tags, MOST_OF_BUCKET)


def _bucket(bucket: Bucket) -> str:
    values = {"Name": bucket.name, "CreationDate": xml.timestamp(bucket.created), "BucketRegion": bucket.region}
    return xml.branch("Bucket", xml.leaves(values))


def _bad_name(name: str) -> S3Error:
    return S3Error("InvalidBucketName", 400, "The specified bucket is not valid.", {"BucketName": name})
