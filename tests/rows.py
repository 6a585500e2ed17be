"""Jobs as the engine finds them: rows that are put into its store without a request."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

from pegbox.domain import training, training_request
from pegbox.domain.training import TrainingJob
from pegbox.domain.tuning import TuningJob
from pegbox.engine import homes
from pegbox.engine.context import Context
from pegbox.store.resources import Kind, Resource
from pegbox.testing import requests

LOCAL = {"InstanceCount": 1, "InstanceType": "local", "VolumeSizeInGB": 1}


def training_document(folder: Path, name: str = "job", **changes: Any) -> dict[str, Any]:
    """Of a training job whose outputs go below a folder; `changes` replace members of the request."""
    changes = {"ResourceConfig": LOCAL, **changes}
    request = requests.training_request(name, "any", f"file://{folder}/output", **changes)
    return training_request.normalise(request, [])


def script_document(folder: Path, source: str, **changes: Any) -> dict[str, Any]:
    """Of a training job in script mode that runs this source."""
    archive = folder / "sourcedir.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        member.size = len(source.encode())
        tar.addfile(member, io.BytesIO(source.encode()))
    return training_document(
        folder,
        AlgorithmSpecification={"TrainingImage": "pytorch-training:2.0", "TrainingInputMode": "File"},
        HyperParameters={"sagemaker_program": "train.py", "sagemaker_submit_directory": f"file://{archive}"},
        **changes,
    )


def channel_of(folder: Path) -> dict[str, Any]:
    """A channel with one file, which is made in the folder."""
    data = folder / "data" / "train"
    data.mkdir(parents=True, exist_ok=True)
    (data / "file").write_text("1\n")
    return requests.channel("train", f"file://{data}")


def insert(
    context: Context,
    document: dict[str, Any],
    job: TrainingJob | TuningJob | None = None,
    name: str = "job",
    **columns: Any,
) -> Resource:
    """The row of a job that is due: of a training job that was created, unless it is said what it is."""
    job = job or training.created(1.0)
    row = Resource(
        account="123456789012",
        region="us-east-1",
        kind=Kind.TUNING_JOB if isinstance(job, TuningJob) else Kind.TRAINING_JOB,
        name=name,
        status=job.status,
        document=document,
        state=job.dump(),
        **{"created_at": 1.0, "modified_at": 1.0, "due_at": 0.0, **columns},
    )
    with context.store.transaction() as tx:
        return tx.insert(row)


def read(context: Context, identity: int) -> tuple[Resource, TrainingJob]:
    """The row of a training job, and the job."""
    with context.store.reading() as tx:
        row = tx.by_id(identity)
    return row, TrainingJob.parse(row.state)


def a_home(path: Path, host: str) -> Path:
    """The folder of a home with this identity, on this machine."""
    for folder in ("run", "attempts"):
        (path / folder).mkdir(parents=True)
    (path / homes.IDENTITY).write_text(host)
    homes.mark(path)
    return path
