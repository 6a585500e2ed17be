"""Draw docs/images/demo.svg: the live view of `pegbox demo`, from a real run of the demo's tuning job.

.venv/bin/python docs/images/demo_picture.py
"""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from pegbox import data
from pegbox.client.view import LiveView
from pegbox.demo.host import DemoServer
from pegbox.demo.request import training_job_definition, tuning_job_config

PICTURE = Path(__file__).with_name("demo.svg")
BUCKET, PREFIX, NAME = "pegbox-demo", "breast-cancer", "MyTuningJob"
WIDTH = 84
NO_WEB_FONTS = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def launch(server: DemoServer) -> Any:
    """Put up the data and send the request; returns the client that can follow it."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    for name, path in data.files().items():
        s3.upload_file(str(path), BUCKET, f"{PREFIX}/{name}/{path.name}")
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=NAME,
        HyperParameterTuningJobConfig=tuning_job_config(20, 3),
        TrainingJobDefinition=training_job_definition(BUCKET, PREFIX),
    )
    return sagemaker


def follow(sagemaker: Any, view: LiveView) -> None:
    """Show what the API answers until the tuning job ends."""
    name = {"HyperParameterTuningJobName": NAME}
    listing = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    while True:
        tuning = sagemaker.describe_hyper_parameter_tuning_job(**name)
        pages = listing.paginate(**name, SortBy="CreationTime", PaginationConfig={"PageSize": 100})
        view.show(tuning, [job for page in pages for job in page["TrainingJobSummaries"]])
        if tuning["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            return
        time.sleep(0.1)


def main() -> None:
    """Run the job and keep the view's last frame."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=WIDTH, height=40)
    with DemoServer(keep=False) as server:
        sagemaker = launch(server)
        with LiveView(console) as view:
            follow(sagemaker, view)
            console.record = True
    if console.export_text(clear=False).count(NAME) != 2:  # the title and the best training job
        sys.exit("more than one frame was recorded: run it again")
    PICTURE.write_text(console.export_svg(title="pegbox demo", unique_id="demo", code_format=NO_WEB_FONTS))


if __name__ == "__main__":
    main()
