"""The training container's side of the contract, for built-in trainers: where input is, where output goes, how to fail.

Trainers find their places in the environment variables that sagemaker-training-toolkit sets, and their job in the three
configuration files.  (SageMaker developer guide, "How Amazon SageMaker Provides Training Information".)
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

USER_ERROR = 1  #: exit code: hyperparameters or data are wrong, and the failure text says which
ALGORITHM_ERROR = 255  #: exit code: the trainer itself failed
_FAILURE_LENGTH = 1024  #: characters of the failure file that the service reads


class UserError(Exception):
    """The user can mend it: a hyperparameter or the data.  The message says which one and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One input data channel."""

    name: str
    directory: Path
    content_type: str  #: as given, may be empty
    input_mode: str  #: File, FastFile or Pipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """The job as the training process sees it."""

    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Channel]
    model_dir: Path
    output_dir: Path
    output_data_dir: Path
    checkpoint_dir: Path | None
    job_name: str
    current_host: str
    hosts: tuple[str, ...]  #: sorted; the first one leads
    addresses: Mapping[str, str]  #: host -> address, of hosts whose name does not resolve
    cpus: int  #: of the machine

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Container:
        """Read the environment variables and the configuration files that they point to."""
        config = Path(environ["SM_INPUT_CONFIG_DIR"])
        resources = _json(config / "resourceconfig.json")
        checkpoints = environ.get("SM_CHECKPOINT_DIR")
        output_dir = Path(environ["SM_OUTPUT_DIR"])
        return cls(
            hyperparameters=_json(config / "hyperparameters.json"),
            channels=_channels(environ, _json(config / "inputdataconfig.json")),
            model_dir=Path(environ["SM_MODEL_DIR"]),
            output_dir=output_dir,
            output_data_dir=Path(environ.get("SM_OUTPUT_DATA_DIR", output_dir / "data")),
            checkpoint_dir=Path(checkpoints) if checkpoints else None,
            job_name=environ.get("TRAINING_JOB_NAME", ""),
            current_host=environ.get("SM_CURRENT_HOST") or resources.get("current_host", "algo-1"),
            hosts=tuple(sorted(json.loads(environ.get("SM_HOSTS") or "[]") or resources.get("hosts", ["algo-1"]))),
            addresses=json.loads(environ.get("PEGBOX_HOST_ADDRESSES") or "{}"),
            cpus=int(environ.get("SM_NUM_CPUS") or os.cpu_count() or 1),
        )

    @property
    def leads(self) -> bool:
        """Whether this instance reports metrics and writes the model."""
        return self.current_host == self.hosts[0]

    @property
    def share_of_cpus(self) -> int:
        """Processors for this instance: those of the machine, divided among the instances that run on it."""
        neighbours = sum(_is_loopback(self.addresses.get(host)) for host in self.hosts)
        return max(1, self.cpus // max(1, neighbours))


def run(train: Callable[[Container], None]) -> int:
    """Call `train` and turn its outcome into the exit code and the failure file that the contract asks for."""
    container = Container.from_environment(os.environ)
    try:
        train(container)
    except UserError as error:
        return _fail(container.output_dir, str(error), USER_ERROR)
    except Exception as error:
        traceback.print_exc()
        return _fail(container.output_dir, f"{type(error).__name__}: {error}", ALGORITHM_ERROR)
    return 0


def leave(code: int) -> NoReturn:
    """End the process without tearing the interpreter down: quicker, and safe while native threads still run."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fail(output_dir: Path, text: str, code: int) -> int:
    print(text, file=sys.stderr, flush=True)
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "failure").write_text(text[:_FAILURE_LENGTH], encoding="utf-8")
    return code


def _channels(environ: Mapping[str, str], config: Mapping[str, Mapping[str, Any]]) -> dict[str, Channel]:
    data = Path(environ.get("SM_INPUT_DIR") or "/opt/ml/input") / "data"
    return {
        name: Channel(
            name=name,
            directory=Path(environ.get(f"SM_CHANNEL_{name.upper()}") or data / name),
            content_type=entry.get("ContentType") or "",
            input_mode=entry.get("TrainingInputMode") or "File",
        )
        for name, entry in config.items()
    }


def _is_loopback(address: str | None) -> bool:
    return address is not None and ip_address(address).is_loopback


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
