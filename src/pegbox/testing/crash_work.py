"""Work for crash tests: a program that keeps a record of what it does, and tuning jobs that run it."""

from __future__ import annotations

import contextlib
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pegbox.testing import requests

BUCKET = "crash"
INPUTS = {f"part-{number}": b"x" * (1000 * number) for number in (1, 2, 3)}
PATIENCE = 60.0  #: seconds for which a call is repeated while no server answers
STARTS = "starts"  #: file in the folder of the program, outside all homes: a line for each start of any attempt

#: Prints a line for each step and writes what it prints into the model, also when it is told to stop.  Leaves a process
#: that would go on; in a cell, where nobody has to find it, it is known by its argument alone.
PROGRAM = """
    import json, os, pathlib, signal, sys, time

    with open("starts", "a") as file:
        file.write(os.environ["TRAINING_JOB_NAME"] + " " + os.path.basename(os.environ["PEGBOX_ATTEMPT"]) + "\\n")
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    model = pathlib.Path(os.environ["SM_MODEL_DIR"])
    kept = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"])
    environment = {} if os.getppid() == 1 else os.environ
    if os.fork() == 0:
        os.setsid()
        os.chdir("/")
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        os.execve("/bin/sh", ["sh", "-c", "sleep 600; :", str(model)], environment)
    with open(model / "started", "a") as file:
        file.write(f"{os.getpid()}\\n")
    for path in kept.iterdir():
        path.unlink()
    printed = open(model / "printed", "a")

    def say(text):
        printed.write(text + "\\n")
        printed.flush()
        print(text, flush=True)

    train = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"])
    say(f"start data={sum(path.stat().st_size for path in train.iterdir())}")
    steps, pause = int(os.environ["SM_HP_STEPS"]), float(os.environ["SM_HP_PAUSE"])
    for step in range(steps):
        if asked:
            break
        say(f"step={step} loss={float(os.environ['SM_HP_X']) + (steps - step) / 100:.6f};")
        (kept / f"step-{step % 3}").write_text(f"{os.environ['SM_HP_X']} {step}")
        (kept / f"step-{(step - 2) % 3}").unlink(missing_ok=True)
        time.sleep(pause)
    say("end")
    (model / "checkpoints").write_text(json.dumps({path.name: path.read_text() for path in kept.iterdir()}))
"""


def write_program(folder: Path) -> Path:
    """The program as a file in `folder`, in which it has to be run."""
    path = folder / "crash_program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return path


def starts_of(job: str, folder: Path) -> Counter[int]:
    """How often each attempt at a training job was started, in whatever home."""
    file = folder / STARTS
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(int(attempt) for name, attempt in map(str.split, lines) if name == job)


def tuning_request(
    name: str, image: str, *, jobs: int, at_once: int, steps: int = 4, pause: float = 0.1, retries: int = 0
) -> dict[str, Any]:
    """A tuning job of the program, with an input, checkpoints and an objective."""
    definition: dict[str, Any] = {
        "StaticHyperParameters": {"steps": str(steps), "pause": str(pause)},
        "InputDataConfig": [requests.channel("train", f"s3://{BUCKET}/input/")],
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints/"},
    }
    if retries:
        definition["RetryStrategy"] = {"MaximumRetryAttempts": retries}
    return requests.tuning_request(name, image, f"s3://{BUCKET}/out", jobs, at_once, **definition)


def put_inputs(s3: Any) -> None:
    """The bucket and the channel."""
    s3.create_bucket(Bucket=BUCKET)
    for name, content in INPUTS.items():
        s3.put_object(Bucket=BUCKET, Key=f"input/{name}", Body=content)


def unless_down(call: Callable[..., Any], **request: Any) -> Any:
    """The answer, or None when the server did not live to give one or cannot now."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        return call(**request)
    except ParamValidationError:
        raise
    except (BotoCoreError, OSError):  # also answers that end in the middle
        return None
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            return None
        raise


def create_once(create: Callable[..., Any], **request: Any) -> bool:
    """Ask for a job; True once it is there, whether this or an earlier try that got no answer made it."""
    from botocore.exceptions import ClientError

    try:
        return unless_down(create, **request) is not None
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceInUse":
            return True
        raise


def processes_of(homes: list[Path]) -> Iterator[tuple[int, str]]:
    """(pid, command line) of every living process that belongs to an attempt below one of these homes."""
    roots = [str(home.absolute() / "attempts") for home in homes]
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                continue
            environment = (entry / "environ").read_bytes().decode(errors="replace")
            command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
            where = os_readlink(entry / "cwd")
            marked = any(f"PEGBOX_ATTEMPT={root}/" in environment for root in roots)
            if marked or any(where.startswith(root) or f" {root}/" in command for root in roots):
                yield int(entry.name), command


def os_readlink(path: Path) -> str:
    """Where a link leads, or nothing."""
    try:
        return str(path.readlink())
    except OSError:
        return ""


def quiet(look: Callable[[], object], seconds: float) -> bool:
    """Whether `look` gives nothing within some seconds."""
    deadline = time.monotonic() + seconds
    while look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
