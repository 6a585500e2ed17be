"""The S3 endpoint: which operation a request means, and one place that turns errors into answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pegbox.errors import PegboxError
from pegbox.objects.files import FileStore
from pegbox.wire.exchange import exchange_of
from pegbox.wire.inflow import inflow_of
from pegbox.wire.rest_s3 import (
    access,
    attributes,
    buckets,
    configuration,
    copies,
    forms,
    listings,
    multipart,
    objects,
    tagging,
)
from pegbox.wire.rest_s3.call import Call, headers_of, invalid_argument, query_of, target_of
from pegbox.wire.rest_s3.forms import Signer
from pegbox.wire.rest_s3.refusals import (
    SUBRESOURCES,
    check_demands,
    cut_off,
    error_response,
    fault,
    not_allowed,
    not_implemented,
)
from pegbox.wire.sigv4 import Caller

Operation = Callable[[Call], Awaitable[Response]]

#: method, what the path names, sub-resources of the query -> operation; what is not here is not served
ROUTES: Mapping[tuple[str, str, frozenset[str]], Operation] = {
    ("GET", "service", frozenset()): buckets.list_buckets,
    ("PUT", "bucket", frozenset()): buckets.create_bucket,
    ("HEAD", "bucket", frozenset()): buckets.head_bucket,
    ("DELETE", "bucket", frozenset()): buckets.delete_bucket,
    ("GET", "bucket", frozenset({"location"})): buckets.get_bucket_location,
    ("GET", "bucket", frozenset()): listings.list_objects,
    ("GET", "bucket", frozenset({"list-type"})): listings.list_objects_v2,
    ("GET", "bucket", frozenset({"versions"})): listings.list_object_versions,
    ("GET", "bucket", frozenset({"uploads"})): listings.list_multipart_uploads,
    ("POST", "bucket", frozenset({"delete"})): objects.delete_objects,
    ("GET", "bucket", frozenset({"tagging"})): tagging.get_bucket_tagging,
    ("PUT", "bucket", frozenset({"tagging"})): tagging.put_bucket_tagging,
    ("DELETE", "bucket", frozenset({"tagging"})): tagging.delete_bucket_tagging,
    ("GET", "bucket", frozenset({"acl"})): access.get_bucket_acl,
    ("PUT", "bucket", frozenset({"acl"})): access.put_bucket_acl,
    ("GET", "bucket", frozenset({"ownershipControls"})): access.get_bucket_ownership_controls,
    ("GET", "bucket", frozenset({"versioning"})): configuration.get_bucket_versioning,
    ("GET", "bucket", frozenset({"logging"})): configuration.get_bucket_logging,
    ("GET", "bucket", frozenset({"notification"})): configuration.get_bucket_notification_configuration,
    ("GET", "bucket", frozenset({"accelerate"})): configuration.get_bucket_accelerate_configuration,
    ("GET", "bucket", frozenset({"requestPayment"})): configuration.get_bucket_request_payment,
    ("GET", "bucket", frozenset({"policy"})): configuration.get_bucket_policy,
    ("GET", "bucket", frozenset({"policyStatus"})): configuration.get_bucket_policy_status,
    ("GET", "bucket", frozenset({"lifecycle"})): configuration.get_bucket_lifecycle_configuration,
    ("GET", "bucket", frozenset({"cors"})): configuration.get_bucket_cors,
    ("GET", "bucket", frozenset({"website"})): configuration.get_bucket_website,
    ("GET", "bucket", frozenset({"encryption"})): configuration.get_bucket_encryption,
    ("GET", "bucket", frozenset({"replication"})): configuration.get_bucket_replication,
    ("GET", "bucket", frozenset({"object-lock"})): configuration.get_object_lock_configuration,
    ("GET", "bucket", frozenset({"publicAccessBlock"})): configuration.get_public_access_block,
    ("DELETE", "bucket", frozenset({"policy"})): configuration.delete_bucket_policy,
    ("DELETE", "bucket", frozenset({"lifecycle"})): configuration.delete_bucket_lifecycle,
    ("DELETE", "bucket", frozenset({"cors"})): configuration.delete_bucket_cors,
    ("DELETE", "bucket", frozenset({"website"})): configuration.delete_bucket_website,
    ("DELETE", "bucket", frozenset({"encryption"})): configuration.delete_bucket_encryption,
    ("DELETE", "bucket", frozenset({"replication"})): configuration.delete_bucket_replication,
    ("DELETE", "bucket", frozenset({"publicAccessBlock"})): configuration.delete_public_access_block,
    ("PUT", "object", frozenset()): objects.put_object,
    ("COPY", "object", frozenset()): copies.copy_object,
    ("GET", "object", frozenset()): objects.get_object,
    ("GET", "object", frozenset({"partNumber"})): objects.get_object,
    ("HEAD", "object", frozenset()): objects.head_object,
    ("HEAD", "object", frozenset({"partNumber"})): objects.head_object,
    ("DELETE", "object", frozenset()): objects.delete_object,
    ("GET", "object", frozenset({"attributes"})): attributes.get_object_attributes,
    ("GET", "object", frozenset({"acl"})): access.get_object_acl,
    ("PUT", "object", frozenset({"acl"})): access.put_object_acl,
    ("GET", "object", frozenset({"tagging"})): tagging.get_object_tagging,
    ("PUT", "object", frozenset({"tagging"})): tagging.put_object_tagging,
    ("DELETE", "object", frozenset({"tagging"})): tagging.delete_object_tagging,
    ("POST", "object", frozenset({"uploads"})): multipart.create_multipart_upload,
    ("PUT", "object", frozenset({"uploadId", "partNumber"})): multipart.upload_part,
    ("POST", "object", frozenset({"uploadId"})): multipart.complete_multipart_upload,
    ("DELETE", "object", frozenset({"uploadId"})): multipart.abort_multipart_upload,
    ("GET", "object", frozenset({"uploadId"})): multipart.list_parts,
}


class S3Endpoint:
    """Answers S3 requests of verified callers from a FileStore."""

    def __init__(self, store: FileStore) -> None:
        self._store = store

    async def __call__(self, request: Request, caller: Caller) -> Response:
        """Answer one request.  Never raises for what a client sends."""
        return await self._guarded(request, self._answer(request, caller))

    async def post(self, request: Request, signer: Signer) -> Response:
        """Answer an upload from a web form, whose fields say who signed it."""
        exchange_of(request.scope).means("s3", name_of(forms.post_object))
        return await self._guarded(request, forms.post_object(self._store, request, signer))

    async def _guarded(self, request: Request, answer: Awaitable[Response]) -> Response:
        request_id = exchange_of(request.scope).request_id
        try:
            response = await answer
        except PegboxError as error:
            return _refusal(error, request, request_id)
        except ClientDisconnect:  # who has gone hears nothing of it
            return _refusal(cut_off(inflow_of(request.scope)), request, request_id)
        except Exception as error:
            return _refusal(fault(error, request), request, request_id)
        response.headers["x-amz-request-id"] = request_id
        return response

    def refuse(self, error: PegboxError, request: Request) -> Response:
        """The answer of S3 to a request that did not get as far as here."""
        return _refusal(error, request, exchange_of(request.scope).request_id)

    async def _answer(self, request: Request, caller: Caller) -> Response:
        query = query_of(request)
        call = Call(
            store=self._store,
            request=request,
            caller=caller,
            target=target_of(request),
            query=query,
            headers=headers_of(request, query),
        )
        operation = _route(call)
        exchange_of(request.scope).means("s3", name_of(operation))
        check_demands(call.headers)
        await buckets.check_owner(call)
        return await operation(call)


def name_of(operation: Callable[..., Awaitable[Response]]) -> str:
    """The name of an operation in the S3 API, GetObject."""
    return "".join(part.capitalize() for part in operation.__name__.split("_"))


def _route(call: Call) -> Operation:
    method = call.request.method
    place = "object" if call.key else "bucket" if call.bucket else "service"
    wanted = frozenset(SUBRESOURCES & call.query.keys())
    if "versionId" in wanted and place == "object":
        if call.query["versionId"] != "null":
            raise invalid_argument("versionId", call.query["versionId"], "Invalid version id specified")
        wanted -= {"versionId"}
    asked = method, place, wanted
    if asked == ("PUT", "object", frozenset()) and "x-amz-copy-source" in call.headers:
        asked = "COPY", place, wanted
    operation = None if method == "COPY" else ROUTES.get(asked)
    if operation is None:
        raise not_implemented(f"{method} ?{'&'.join(sorted(wanted))}") if wanted else not_allowed()
    return operation


def _refusal(error: PegboxError, request: Request, request_id: str) -> Response:
    resource = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    return error_response(error, request_id, resource, head=request.method == "HEAD")
