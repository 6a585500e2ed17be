"""The directory and the environment that a training container finds (developer guide, "How Amazon SageMaker Provides
Training Information"; names and formats of SM_*: sagemaker-training-toolkit, ENVIRONMENT_VARIABLES.md).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pegbox.runner import beneath
from pegbox.runner.job import Job

OPT_ML = PurePosixPath("/opt/ml")
HOSTS = "hosts"  #: in the attempt's directory: the instances' /etc/hosts
GROUP = "homogeneousCluster"
INTERFACE = "lo"
LONGEST_VARIABLE = 128 << 10  #: bytes, "NAME=value" and its end: MAX_ARG_STRLEN of Linux

_TOOLKIT_HYPERPARAMETERS = ("sagemaker_", "_tuning_objective_metric")  # not the user's: prefixes


def addresses(job: Job) -> dict[str, str]:
    """Host -> its own loopback address.  Two jobs meet in one address once in 65,000 pairs, and then only by port."""
    seed = int.from_bytes(hashlib.sha256(str(job.directory).encode()).digest()[:4], "big")
    found = {}
    for number, host in enumerate(job.hosts):
        third, fourth = divmod(number, 250)
        found[host] = f"127.{1 + seed % 254}.{(seed // 254 + third) % 256}.{1 + fourth}"
    return found


def home(job: Job, host: str) -> Path:
    """The instance's own directory."""
    return job.directory / host


def root(job: Job, host: str) -> Path:
    """An empty directory, on which the root directory of a cell is built."""
    return job.directory / f"{host}.root"


def workdir(job: Job, host: str) -> Path:
    """Where the program starts: relative paths, and those below /opt/ml, mean the instance's tree."""
    if job.workdir is None:
        return home(job, host)
    path = OPT_ML / job.workdir
    ml = home(job, host) / "ml"
    return ml / path.relative_to(OPT_ML) if path.is_relative_to(OPT_ML) else Path(path)


def streamed(job: Job) -> list[str]:
    """Channels that would be streamed in the cloud: they take no place on the instance's volume."""
    return [name for name, known in job.channels.items() if known.get("TrainingInputMode") == "FastFile"]


def prepare(job: Job, host: str) -> dict[str, str]:
    """Make the instance's /opt/ml (channels that are there already stay) and return its trainer's environment."""
    ml = home(job, host) / "ml"
    for name in ("input/config", "input/data", "model", "output/data", "checkpoints", "code", "tmp"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    for name in ("home", "tmp"):
        (home(job, host) / name).mkdir(exist_ok=True)
    (home(job, host) / "tmp").chmod(0o1777)
    if job.contain:
        root(job, host).mkdir(exist_ok=True)
    checkpoints = checkpoint_directory(job, ml)
    checkpoints.mkdir(parents=True, exist_ok=True)
    configuration = {
        "hyperparameters": dict(job.hyperparameters),
        "inputdataconfig": dict(job.channels),
        "resourceconfig": resources(job, host),
    }
    for name, document in configuration.items():
        (ml / "input/config" / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    return environment(job, toolkit(job, host, ml) | {"SM_CHECKPOINT_DIR": str(checkpoints)})


def checkpoint_directory(job: Job, ml: Path) -> Path:
    """Where CheckpointConfig.LocalPath lies for this instance.  A path outside /opt/ml means the default."""
    path = PurePosixPath(os.path.normpath(job.checkpoint_path or OPT_ML / "checkpoints"))
    if OPT_ML not in path.parents:
        return ml / "checkpoints"
    return ml / path.relative_to(OPT_ML)


def resources(job: Job, host: str) -> dict[str, Any]:
    """resourceconfig.json."""
    hosts = sorted(job.hosts)
    return {
        "current_host": host,
        "current_instance_type": job.instance_type,
        "current_group_name": GROUP,
        "hosts": hosts,
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": job.instance_type, "hosts": hosts}],
        "network_interface_name": INTERFACE,
    }


def environment(job: Job, toolkit_variables: Mapping[str, str]) -> dict[str, str]:
    """All variables of the trainer, weakest first: inherited, image, ours, the request's."""
    threads = str(cpus(job))
    found = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    found |= job.inherited
    found |= job.image_environment
    found |= {
        "TRAINING_JOB_NAME": job.job_name,
        "TRAINING_JOB_ARN": job.job_arn,
        "AWS_REGION": job.region,
        "AWS_DEFAULT_REGION": job.region,
        "PYTHONUNBUFFERED": "1",
        "PEGBOX_HOST_ADDRESSES": json.dumps(addresses(job)),
    }
    found |= toolkit_variables
    found |= job.environment
    found["PEGBOX_ATTEMPT"] = str(job.directory)  # the id is unique in one installation only, the path on this machine
    return {name: value for name, value in found.items() if _is_variable(name, value)}


def _is_variable(name: str, value: str) -> bool:
    """Whether execve takes it: 100 long hyperparameters in one SM_HPS are too much."""
    if not name or "=" in name or "\0" in name + value:
        return False
    return len(os.fsencode(name)) + len(os.fsencode(value)) + 2 <= LONGEST_VARIABLE


def toolkit(job: Job, host: str, ml: Path) -> dict[str, str]:
    """The SM_* variables."""
    values = {key: _decoded(text) for key, text in job.hyperparameters.items()}
    users = {key: value for key, value in values.items() if not key.startswith(_TOOLKIT_HYPERPARAMETERS)}
    known = _facts(job, host, ml, values, users)
    known["training_env"] = _training_env(job, known, ml)
    known |= {f"channel_{name}": str(ml / "input/data" / name) for name in job.channels}
    known |= {f"hp_{key}": value for key, value in users.items()}
    return {f"SM_{name.upper()}": _formatted(value) for name, value in known.items()}


def _facts(job: Job, host: str, ml: Path, values: Mapping[str, Any], users: Mapping[str, Any]) -> dict[str, Any]:
    config = resources(job, host)
    script = values.get("sagemaker_program")
    return {
        "channels": sorted(job.channels),
        "current_host": host,
        "current_instance_group": GROUP,
        "current_instance_group_hosts": config["hosts"],
        "current_instance_type": job.instance_type,
        "distribution_instance_groups": [],
        "framework_module": None,
        "framework_params": {},
        "hosts": config["hosts"],
        "hps": users,
        "input_config_dir": str(ml / "input/config"),
        "input_data_config": dict(job.channels),
        "input_dir": str(ml / "input"),
        "instance_groups": [GROUP],
        "instance_groups_dict": {GROUP: config["instance_groups"][0]},
        "is_hetero": False,
        "is_master": host == config["hosts"][0],
        "log_level": values.get("sagemaker_container_log_level", 20),
        "master_hostname": config["hosts"][0],
        "model_dir": str(ml / "model"),
        "module_dir": str(values.get("sagemaker_submit_directory", ml / "code")),
        "module_name": str(script or "").removesuffix(".py"),
        "network_interface_name": INTERFACE,
        "num_cpus": cpus(job),
        "num_gpus": gpus(),
        "num_neurons": 0,
        "output_data_dir": str(ml / "output/data"),
        "output_dir": str(ml / "output"),
        "output_intermediate_dir": str(ml / "output/intermediate"),
        "resource_config": config,
        "user_args": arguments(users),
        "user_entry_point": script,
    }


def _training_env(job: Job, known: Mapping[str, Any], ml: Path) -> dict[str, Any]:
    renamed = {"hps": "hyperparameters", "framework_params": "additional_framework_parameters"}
    left_out = ("channels", "user_args")
    record = {renamed.get(name, name): value for name, value in known.items() if name not in left_out}
    record["channel_input_dirs"] = {name: str(ml / "input/data" / name) for name in job.channels}
    record["job_name"] = job.job_name
    return record


def _decoded(text: str) -> Any:
    """Estimators of the SDK send JSON in each hyperparameter; plain strings stay as they are."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _formatted(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def arguments(values: Mapping[str, Any]) -> list[str]:
    """Script arguments for hyperparameters: `--name value`, `-n value` for one letter, maps as k=v,k=v."""
    found: list[str] = []
    for name, value in sorted(values.items()):
        if isinstance(value, dict):
            value = ",".join(f"{key}={inner}" for key, inner in sorted(value.items()))
        found += [f"--{name}" if len(name) > 1 else f"-{name}", "" if value is None else str(value)]
    return found


def cpus(job: Job) -> int:
    """CPUs for one instance: those this process may use, shared by the instances of the job, within its limit."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = max(1, available // job.instance_count)
    return share if job.limits.cpus is None else min(share, job.limits.cpus)


def gpus() -> int:
    """NVIDIA devices on this machine, as far as device files tell."""
    try:
        names = os.listdir("/dev")
    except OSError:
        return 0
    return sum(1 for name in names if name.startswith("nvidia") and name.removeprefix("nvidia").isdigit())


def failure_text(job: Job, host: str, limit: int = 1024, rest: bytes = b"") -> str:
    """The start of /opt/ml/output/failure, else the last lines of the log and its `rest`; at most `limit` characters.

    The program cannot see all that we see: what is no regular file of its own tree is not read.
    """
    try:
        with beneath.open_file(job.directory, f"{host}/ml/output/failure") as file:
            text = file.read(4 * limit).decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return text[:limit] or _last_lines(job.directory / f"{host}.log", limit, rest)


def _last_lines(log: Path, limit: int, rest: bytes) -> str:
    with open(log, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4 * limit))
        text = (file.read() + rest)[-4 * limit :].decode("utf-8", "replace").replace("\r", "\n").rstrip()
    if len(text) <= limit:
        return text.lstrip("\n")
    tail = text[-limit:]
    return tail.partition("\n")[2] or tail


def hosts_file(job: Job) -> Path:
    """Write the machine's /etc/hosts with the instances' names added.  Returns where."""
    path = job.directory / HOSTS
    try:
        known = Path("/etc/hosts").read_text()
    except OSError:
        known = "127.0.0.1 localhost\n"
    names = "".join(f"{address} {host}\n" for host, address in addresses(job).items())
    path.write_text(known.rstrip("\n") + "\n" + names)
    return path
