"""Access control lists, as S3 has them where ACLs are switched off: everything belongs to the account of its bucket.

S3 user guide, "Controlling ownership of objects and disabling ACLs for your bucket": lists can be read, and can be set
only to what holds anyway.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from starlette.responses import Response

from pegbox.errors import S3Error
from pegbox.wire.rest_s3 import xml
from pegbox.wire.rest_s3.body import receive_document
from pegbox.wire.rest_s3.buckets import xml_response
from pegbox.wire.rest_s3.call import Call, in_thread
from pegbox.wire.rest_s3.listings import person
from pegbox.wire.rest_s3.refusals import not_implemented

_TYPE = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'


async def get_bucket_acl(call: Call) -> Response:
    """GetBucketAcl: the owner may do everything."""
    await in_thread(call.store.buckets.get, call.account, call.bucket)
    return _owned(call)


async def get_object_acl(call: Call) -> Response:
    """GetObjectAcl: the owner may do everything."""
    await in_thread(call.store.head_object, call.account, call.bucket, call.key)
    return _owned(call)


async def put_bucket_acl(call: Call) -> Response:
    """PutBucketAcl, if it grants what holds anyway; anything else is refused."""
    _check_private(call, await receive_document(call))
    await in_thread(call.store.buckets.get, call.account, call.bucket)
    return Response(None, 200)


async def put_object_acl(call: Call) -> Response:
    """PutObjectAcl, if it grants what holds anyway; anything else is refused."""
    _check_private(call, await receive_document(call))
    await in_thread(call.store.head_object, call.account, call.bucket, call.key)
    return Response(None, 200)


async def get_bucket_ownership_controls(call: Call) -> Response:
    """GetBucketOwnershipControls: BucketOwnerEnforced."""
    await in_thread(call.store.buckets.get, call.account, call.bucket)
    rule = xml.branch("Rule", xml.leaf("ObjectOwnership", "BucketOwnerEnforced"))
    return xml_response(xml.document("OwnershipControls", rule))


def _owned(call: Call) -> Response:
    owner = xml.leaves({"ID": call.account, "DisplayName": call.account})
    grant = xml.branch("Grant", f"<Grantee{_TYPE}>{owner}</Grantee>", xml.leaf("Permission", "FULL_CONTROL"))
    policy = xml.document("AccessControlPolicy", person(call, "Owner"), xml.branch("AccessControlList", grant))
    return xml_response(policy)


def _check_private(call: Call, body: bytes) -> None:
    """Refuse what grants something to others.  Of headers `check_demands` has refused that already."""
    if not body:
        if "x-amz-acl" not in call.headers:
            message = "Your request is missing a required header"
            raise S3Error("MissingSecurityHeader", 400, message, {"MissingHeaderName": "x-amz-acl"})
        return
    listed = xml.parse(body, "AccessControlPolicy").find("AccessControlList")
    if listed is None:
        raise xml.malformed()
    grants = list(xml.children(listed, "Grant"))
    if not grants or not all(_of_owner(call, grant) for grant in grants):
        raise not_implemented("an access control list that is not the owner's FULL_CONTROL")


def _of_owner(call: Call, grant: Element) -> bool:
    grantee, permission = grant.find("Grantee"), xml.text_of(grant, "Permission")
    if grantee is None or permission is None:
        raise xml.malformed()
    return permission == "FULL_CONTROL" and xml.text_of(grantee, "ID") == call.account
