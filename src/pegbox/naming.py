"""ARNs and names.

A name is unique per account and region, without regard to case (API reference, CreateHyperParameterTuningJob).
"""

from __future__ import annotations

COMPONENT_OF_JOB = "-aws-training-job"  #: what a trial component's name ends with that a training job has made


def arn(resource: str, name: str, *, account: str, region: str) -> str:
    """`arn:aws:sagemaker:<region>:<account>:<resource>/<name>`, the name in lower case as the service prints it."""
    return f"arn:aws:sagemaker:{region}:{account}:{resource}/{name.lower()}"


def name_of(text: str) -> str:
    """The name at the end of an ARN, or the text itself when it is no ARN."""
    return text.rsplit("/", 1)[-1] if text.startswith("arn:") else text


def training_job_name(tuning_job: str, number: int, suffix: str) -> str:
    """`<tuning job>-<NNN>-<8 hex>`, the form in which a tuning job names its training jobs."""
    return f"{tuning_job}-{number:03d}-{suffix}"


def tuning_job_of(training_job: str) -> str:
    """The inverse of `training_job_name`: the tuning job's name."""
    return training_job.rsplit("-", 2)[0]
