"""Jobs of an AWS account, or of anything else that speaks SageMaker's API, through boto3."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pegbox.sources.base import SourceError

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient

TERMINAL = ("Completed", "Failed", "Stopped")
AT_ONCE = 8  #: questions
PATIENCE = {"mode": "adaptive", "max_attempts": 6}  #: with an account that answers only so many questions a second
MOST_TAGS = 50
#: what ListTrainingJobsForHyperParameterTuningJob tells of a training job, and DescribeTrainingJob does not
_OF_THE_SUMMARY = ("TunedHyperParameters", "TrainingJobDefinitionName", "FinalHyperParameterTuningJobObjectiveMetric")
_GONE = re.compile("can't find|could not find|not found|does not exist", re.IGNORECASE)

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """A job, as a list tells it."""

    name: str
    status: str
    created: float  #: epoch seconds

    @property
    def has_ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.status in TERMINAL


@dataclass(slots=True)
class Account:
    """What there is to bring.  `contains` and `since` choose among names and times of creation."""

    client: SageMakerClient
    contains: str | None = None
    since: datetime | None = None
    step: Callable[[], object] = lambda: None  #: is called for each job that was described
    _searches: dict[str, bool] = field(default_factory=dict)  # which tuning jobs there are

    @property
    def address(self) -> str:
        """Who is asked."""
        return str(self.client.meta.endpoint_url)

    def tuning_jobs(self) -> Iterator[Listed]:
        """Those that are wanted, the oldest first."""
        return self._listed("list_hyper_parameter_tuning_jobs", "HyperParameterTuningJob")

    def training_jobs(self) -> Iterator[Listed]:
        """The same, those of tuning jobs included."""
        return self._listed("list_training_jobs", "TrainingJob")

    def tuning_job(self, name: str) -> Record:
        """DescribeHyperParameterTuningJob, with Tags."""
        answer = self.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return self._tagged(answer, answer["HyperParameterTuningJobArn"])

    def children(self, name: str) -> Iterator[Record]:
        """The training jobs of a tuning job, as DescribeTrainingJob and the list tell them, with Tags."""
        pages = self.client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        asked = {"HyperParameterTuningJobName": name, "SortBy": "CreationTime", "SortOrder": "Ascending"}
        summaries = [
            each
            for page in pages.paginate(**asked)  # type: ignore[arg-type]
            for each in page["TrainingJobSummaries"]
            if each["TrainingJobStatus"] in TERMINAL
        ]
        described = self._all([each["TrainingJobName"] for each in summaries])
        for summary, record in zip(summaries, described, strict=True):
            if record is not None:
                told = _plain(summary)
                yield record | {member: told[member] for member in _OF_THE_SUMMARY if member in told}

    def jobs(self, names: Sequence[str]) -> Iterator[Record]:
        """Training jobs of nobody; those of a tuning job that there is are left out."""
        for record in self._all(names):
            if record is None or self._is_child(record):
                continue
            yield {member: value for member, value in record.items() if member != "TuningJobArn"}

    def _listed(self, operation: str, what: str) -> Iterator[Listed]:
        asked: dict[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Ascending"}
        if self.contains is not None:
            asked["NameContains"] = self.contains
        if self.since is not None:
            asked["CreationTimeAfter"] = self.since
        for page in self.client.get_paginator(operation).paginate(**asked):  # type: ignore[call-overload]
            for each in page[f"{what}Summaries"]:
                yield Listed(each[f"{what}Name"], each[f"{what}Status"], each["CreationTime"].timestamp())

    def _all(self, names: Sequence[str]) -> Iterator[Record | None]:
        """In their order; None for what has been deleted meanwhile."""
        with ThreadPoolExecutor(AT_ONCE) as asking:
            found = [asking.submit(self._described, name) for name in names]
            try:
                for each in found:
                    yield each.result()
                    self.step()
            finally:
                for each in found:
                    each.cancel()

    def _described(self, name: str) -> Record | None:
        try:
            answer = self.client.describe_training_job(TrainingJobName=name)
            record = self._tagged(answer, answer["TrainingJobArn"])
        except self.client.exceptions.ClientError as error:
            if _is_gone(error):
                return None
            raise
        if metrics := record.get("FinalMetricDataList"):
            record["FinalMetricDataList"] = [each for each in metrics if math.isfinite(each["Value"])]
        return record

    def _tagged(self, answer: Mapping[str, Any], arn: str) -> Record:
        """An answer as JSON has it, with the tags of the job and where it came from."""
        tags = [
            {"Key": each["Key"], "Value": each["Value"]}
            for page in self.client.get_paginator("list_tags").paginate(ResourceArn=arn)
            for each in page["Tags"]
            if not each["Key"].lower().startswith("aws:")  # reserved, and set by AWS
        ]
        known = {tag["Key"] for tag in tags}
        for key, value in (("imported.from", "sagemaker"), ("imported.arn", arn)):
            if key not in known and len(tags) < MOST_TAGS:
                tags.append({"Key": key, "Value": value})
        return {**_plain(answer), "Tags": tags}

    def _is_child(self, record: Mapping[str, Any]) -> bool:
        """Whether it comes with its tuning job, now or once that has ended."""
        if not (arn := record.get("TuningJobArn")):
            return False
        name = str(arn).rpartition("/")[2]
        if name not in self._searches:
            try:
                self.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
                self._searches[name] = True
            except self.client.exceptions.ClientError as error:
                if not _is_gone(error):
                    raise
                self._searches[name] = False
        return self._searches[name]


def account(
    profile: str | None, region: str | None, endpoint: str | None, contains: str | None, since: datetime | None
) -> Account:
    """What these mean to every AWS client.  Raises SourceError."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        if session.get_credentials() is None:
            raise SourceError("there is no key to ask AWS with: --profile names one, aws configure keeps one")
        client = session.client(
            "sagemaker",
            endpoint_url=endpoint,
            config=Config(retries=PATIENCE, max_pool_connections=AT_ONCE),
        )
    except (BotoCoreError, ValueError) as error:
        raise SourceError(_line(error)) from None
    return Account(client, contains, since)


@contextmanager
def asking(account: Account) -> Iterator[None]:
    """What it refuses, and that it does not answer, as SourceError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        raise SourceError(f"{account.address} refuses: {_line(told['Message'])} ({told['Code']})") from None
    except BotoCoreError as error:
        raise SourceError(f"{account.address}: {_line(error)}") from None


def batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of so many names."""
    some: list[str] = []
    for name in names:
        some.append(name)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _is_gone(error: Any) -> bool:
    told = error.response["Error"]
    return told["Code"] in ("ResourceNotFound", "ValidationException") and _GONE.search(told["Message"]) is not None


def _line(error: object) -> str:
    return " ".join(str(error).split())


def _plain(value: Any) -> Any:
    """An answer of boto3's without what is about the transport; times as epoch seconds."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name != "ResponseMetadata"}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return round(value.timestamp(), 3) if isinstance(value, datetime) else value
