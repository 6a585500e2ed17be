"""Where a request wants data to be read and written: every URI is one that the object stores can follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pegbox.errors import ValidationException
from pegbox.objects.locations import parse


def check(job: Mapping[str, Any]) -> None:
    """Raise ValidationException for a URI of a training job, or of a training job definition, that leads nowhere."""
    for what, uri in _uris(job):
        try:
            parse(uri)
        except ValueError as error:
            raise ValidationException(f"The {what} isn't usable: {error}.") from None


def _uris(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for channel in job.get("InputDataConfig") or []:
        yield f"S3Uri of channel [{channel['ChannelName']}]", channel["DataSource"]["S3DataSource"]["S3Uri"]
    yield "S3OutputPath", job["OutputDataConfig"]["S3OutputPath"]
    if checkpoints := job.get("CheckpointConfig"):
        yield "S3Uri of the CheckpointConfig", checkpoints["S3Uri"]
