"""Operations on the tags of objects and buckets."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from pegbox.errors import S3Error
from pegbox.wire.rest_s3 import xml
from pegbox.wire.rest_s3.body import receive_document
from pegbox.wire.rest_s3.buckets import xml_response
from pegbox.wire.rest_s3.call import Call, in_thread
from pegbox.wire.rest_s3.tags import MOST_OF_BUCKET, MOST_OF_OBJECT, tags_of_document


async def get_object_tagging(call: Call) -> Response:
    """GetObjectTagging."""
    found = await in_thread(call.store.head_object, call.account, call.bucket, call.key)
    return xml_response(_document(found.description.tags))


async def put_object_tagging(call: Call) -> Response:
    """PutObjectTagging: replaces all tags; content, ETag and Last-Modified stay."""
    tags = tags_of_document(await receive_document(call), MOST_OF_OBJECT)
    await in_thread(call.store.tag_object, call.account, call.bucket, call.key, tags)
    return Response(None, 200)


async def delete_object_tagging(call: Call) -> Response:
    """DeleteObjectTagging."""
    await in_thread(call.store.tag_object, call.account, call.bucket, call.key, {})
    return Response(None, 204)


async def get_bucket_tagging(call: Call) -> Response:
    """GetBucketTagging."""
    tags = await in_thread(call.store.buckets.tags, call.account, call.bucket)
    if not tags:
        raise S3Error("NoSuchTagSet", 404, "The TagSet does not exist", {"BucketName": call.bucket})
    return xml_response(_document(tags))


async def put_bucket_tagging(call: Call) -> Response:
    """PutBucketTagging: replaces all tags."""
    tags = tags_of_document(await receive_document(call), MOST_OF_BUCKET)
    await in_thread(call.store.buckets.tag, call.account, call.bucket, tags)
    return Response(None, 204)


async def delete_bucket_tagging(call: Call) -> Response:
    """DeleteBucketTagging."""
    await in_thread(call.store.buckets.tag, call.account, call.bucket, None)
    return Response(None, 204)


def _document(tags: Mapping[str, str]) -> str:
    each = (xml.branch("Tag", xml.leaves({"Key": key, "Value": value})) for key, value in sorted(tags.items()))
    return xml.document("Tagging", xml.branch("TagSet", *each))
