"""The S3 API (REST-XML, path-style) over pegbox's own object store."""

from pegbox.wire.rest_s3.endpoint import S3Endpoint
from pegbox.wire.rest_s3.forms import is_form

__all__ = ["S3Endpoint", "is_form"]
