"""A program that says that it starts, waits for the test's word, and ends; and what was said so."""

from __future__ import annotations

from pathlib import Path

#: the word is a file `go` in the folder of the image
PATIENT = """
    import os, pathlib, time
    with open("started", "a") as file:
        file.write(f"{os.environ['TRAINING_JOB_NAME']} {os.getpid()}\\n")
    print("loss=1;", flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    print("loss=0.5;", flush=True)
    pathlib.Path(os.environ["SM_MODEL_DIR"], "pid").write_text(str(os.getpid()))
"""


def started(folder: Path) -> list[list[str]]:
    """The job's name and the pid of every start, as the program itself knows them."""
    file = folder / "started"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []
