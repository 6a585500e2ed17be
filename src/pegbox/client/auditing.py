"""Who has read a dataset, as the server tells it page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pegbox.client.rows import Column
from pegbox.counts import counted

PAGE = 1000
COLUMNS = (
    "training_job", "training_job_arn", "created", "gone", "attempt", "channel", "read", "relation", "how", "place",
    "object", "etag", "size", "instance",
)  # fmt: skip

Reader = Mapping[str, Any]  #: as AuditDataset has it

_MEANINGS = {
    "Used": "was used",
    "OtherVersion": "was used, but not in this version",
    "ParentPrefix": "was not seen to be used, but a place that it belongs to was",
    "NotUsed": "was not used",
    "NoSuchBucket": "was not used: the specified bucket does not exist",
}
_NOTES = {
    "OtherVersion": "another version",
    "NotRecorded": "what was there then is not recorded",
    "NotYet": "the job has not read it yet",
    "NotThere": "it was not there then",
}


@dataclass(frozen=True, slots=True)
class Audit:
    """The answer, and the readings behind it."""

    uri: str
    etag: str | None
    answer: str  #: Used, OtherVersion, ParentPrefix, NotUsed or NoSuchBucket
    jobs: int  #: that used it
    readers: Sequence[Reader]
    datasets: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    has_more: bool = False  #: readings than were asked for

    @property
    def meaning(self) -> str:
        """The answer in words."""
        version = f" ({self.etag})" if self.etag else ""
        count = f", by {counted(self.jobs, 'training job')}" if self.jobs else ""
        return f"{self.uri}{version} {_MEANINGS[self.answer]}{count}"

    @property
    def is_cut(self) -> bool:
        """Whether some dataset has more objects than the answer tells."""
        return any(each["ObjectCount"] > len(each["Objects"]) for each in self.datasets.values())

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "S3Uri": self.uri,
            "ETag": self.etag,
            "Answer": self.answer,
            "JobCount": self.jobs,
            "Readers": [{**each, "How": how(each, self.objects(each))} for each in self.readers],
            "Datasets": list(self.datasets.values()),
        }

    def objects(self, reader: Reader) -> Sequence[Mapping[str, Any]]:
        """What a reading has of that which is asked for."""
        found: Sequence[Mapping[str, Any]] = self.datasets.get(reader.get("DatasetId", 0), {}).get("Objects", ())
        return found

    def columns(self) -> Sequence[Column]:
        """A row for each object of each reading, or one for a reading without any."""
        rows = list(self._rows())
        return [Column(name, "text", [row[place] for row in rows]) for place, name in enumerate(COLUMNS)]

    def _rows(self) -> Iterator[Sequence[Any]]:
        for each in self.readers:
            objects = self.objects(each)
            fixed = (
                each["TrainingJobName"],
                each["TrainingJobArn"],
                each["CreationTime"].isoformat(),
                str(each["IsGone"]).lower(),
                each.get("Attempt"),
                each["ChannelName"],
                each["ReadTime"].isoformat() if "ReadTime" in each else None,
                each["Relation"],
                how(each, objects),
                each["S3Uri"],
            )
            for found in objects or ({},):
                yield *fixed, *(found.get(name) for name in ("S3Uri", "ETag", "Size", "Instance"))

    def lines(self) -> Iterator[Sequence[str]]:
        """A row for people for each reading: job, time, channel, how, which version, what else."""
        from pegbox.client.lines import moment

        for each in self.readers:
            objects = self.objects(each)
            yield (
                each["TrainingJobName"],
                moment(each["ReadTime"]) if "ReadTime" in each else "",
                PurePosixPath(each["ChannelName"]).name,
                f"{how(each, objects)} {each['S3Uri']}",
                self._version(each, objects),
                ", ".join(_notes(each, objects)),
            )

    def _version(self, reader: Reader, objects: Sequence[Mapping[str, Any]]) -> str:
        if not objects:
            return ""
        count = self.datasets[reader["DatasetId"]]["ObjectCount"]
        etags = sorted({each["ETag"] for each in objects})
        return etags[0] if len(etags) == 1 and count == len(objects) else counted(count, "object")


_HOW = {
    "ManifestFile": "manifest",
    "AugmentedManifestFile": "augmented manifest",
    "Checkpoints": "checkpoints",
    "SourceCode": "code",
}


def how(reader: Reader, objects: Sequence[Mapping[str, Any]]) -> str:
    """How a job came to its objects: direct, prefix, manifest, checkpoints, code; from elsewhere also otherwise."""
    if reader["Source"] == "S3Prefix":
        return "direct" if [each["S3Uri"] for each in objects] == [reader["S3Uri"]] else "prefix"
    return _HOW.get(reader["Source"], str(reader["Source"]))


def ask(client: Any, uri: str, etag: str | None, most: int | None) -> Audit:
    """Ask for the answer, and for so many readings (None: for all), the newest first."""
    given = {"S3Uri": uri, **({"ETag": etag} if etag else {})}
    first = page = client.audit_dataset(**given, MaxResults=min(most or PAGE, PAGE))
    readers, datasets = [*page["Readers"]], {each["DatasetId"]: each for each in page["Datasets"]}
    while "NextToken" in page and (most is None or len(readers) <= most):  # one more, to know whether there are more
        page = client.audit_dataset(**given, MaxResults=PAGE, NextToken=page["NextToken"])
        readers += page["Readers"]
        datasets |= {each["DatasetId"]: each for each in page["Datasets"]}
    has_more = most is not None and len(readers) > most
    return Audit(uri, etag, first["Answer"], first["JobCount"], readers[:most], datasets, has_more)


def _notes(reader: Reader, objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if reader["Relation"] in _NOTES:
        yield _NOTES[reader["Relation"]]
    if instances := sorted({each["Instance"] for each in objects if "Instance" in each}):
        yield f"only {', '.join(instances)}"
    if reader.get("Attempt", 1) > 1:
        yield f"attempt {reader['Attempt']}"
    if reader["IsGone"]:
        yield "the job is gone"
