"""The S3 API (REST-XML, path-style) over pegbox's own object store."""

from pegbox.wire.rest_s3.endpoint import S3Endpoint

__all__ = ["S3Endpoint"]
