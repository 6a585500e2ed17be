"""What a bucket is asked about and does not have: versions, policies, life cycles and the like.

Clients look before they act, and S3 has an answer for a bucket where nothing was ever configured.  These are those
answers (S3 API reference, the Get operation of each).  Configuring any of it is refused; removing what is not there
is done, as on S3.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from pegbox.errors import S3Error
from pegbox.wire.rest_s3 import xml
from pegbox.wire.rest_s3.buckets import xml_response
from pegbox.wire.rest_s3.call import Call, in_thread

Answer = Callable[[Call], Awaitable[Response]]


def _nothing(name: str, element: str, *content: str) -> Answer:
    """The operation `name` of a bucket, answered by an element that says that nothing is set."""

    async def answer(call: Call) -> Response:
        await in_thread(call.store.buckets.get, call.account, call.bucket)
        return xml_response(xml.document(element, *content))

    answer.__name__ = name
    return answer


def _absent(name: str, code: str, message: str) -> Answer:
    """The operation `name` of a bucket, answered by the error that says that there is no such configuration."""

    async def answer(call: Call) -> Response:
        await in_thread(call.store.buckets.get, call.account, call.bucket)
        raise S3Error(code, 404, message, {"BucketName": call.bucket})

    answer.__name__ = name
    return answer


def _gone(name: str) -> Answer:
    """The operation `name` of a bucket, which removes a configuration: there is none, before and after."""

    async def answer(call: Call) -> Response:
        await in_thread(call.store.buckets.get, call.account, call.bucket)
        return Response(None, 204)

    answer.__name__ = name
    return answer


get_bucket_versioning = _nothing("get_bucket_versioning", "VersioningConfiguration")
get_bucket_logging = _nothing("get_bucket_logging", "BucketLoggingStatus")
get_bucket_notification_configuration = _nothing("get_bucket_notification_configuration", "NotificationConfiguration")
get_bucket_accelerate_configuration = _nothing("get_bucket_accelerate_configuration", "AccelerateConfiguration")
get_bucket_request_payment = _nothing(
    "get_bucket_request_payment", "RequestPaymentConfiguration", xml.leaf("Payer", "BucketOwner")
)
get_bucket_policy = _absent("get_bucket_policy", "NoSuchBucketPolicy", "The bucket policy does not exist")
get_bucket_policy_status = _absent("get_bucket_policy_status", "NoSuchBucketPolicy", "The bucket policy does not exist")
get_bucket_lifecycle_configuration = _absent(
    "get_bucket_lifecycle_configuration",
    "NoSuchLifecycleConfiguration",
    "The lifecycle configuration does not exist",
)
get_bucket_cors = _absent("get_bucket_cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist")
get_bucket_website = _absent(
    "get_bucket_website",
    "NoSuchWebsiteConfiguration",
    "The specified bucket does not have a website configuration",
)
get_bucket_encryption = _absent(
    "get_bucket_encryption",
    "ServerSideEncryptionConfigurationNotFoundError",
    "The server side encryption configuration was not found",
)
get_bucket_replication = _absent(
    "get_bucket_replication",
    "ReplicationConfigurationNotFoundError",
    "The replication configuration was not found",
)
get_object_lock_configuration = _absent(
    "get_object_lock_configuration",
    "ObjectLockConfigurationNotFoundError",
    "Object Lock configuration does not exist for this bucket",
)
get_public_access_block = _absent(
    "get_public_access_block",
    "NoSuchPublicAccessBlockConfiguration",
    "The public access block configuration was not found",
)
delete_bucket_policy = _gone("delete_bucket_policy")
delete_bucket_lifecycle = _gone("delete_bucket_lifecycle")
delete_bucket_cors = _gone("delete_bucket_cors")
delete_bucket_website = _gone("delete_bucket_website")
delete_bucket_encryption = _gone("delete_bucket_encryption")
delete_bucket_replication = _gone("delete_bucket_replication")
delete_public_access_block = _gone("delete_public_access_block")
