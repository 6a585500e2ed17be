"""pegbox demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pegbox.client.view import View
    from pegbox.demo.host import DemoServer

BUCKET, PREFIX, NAME = "pegbox-demo", "breast-cancer", "MyTuningJob"


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server up afterwards and say how to use it.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=750, help="Training jobs in all.")] = 20,
    parallel: Annotated[int, typer.Option(min=1, max=100, help="Training jobs at once.")] = 3,
) -> None:
    """Tune XGBoost on real data: start a server, put up data through S3, send the guide's own request with boto3.

    Nothing is left behind: server and home are temporary, unless you say --keep.
    """
    from rich.console import Console

    from pegbox.client.view import view_for
    from pegbox.demo.host import DemoServer

    console = Console()
    with DemoServer(keep=keep) as server:
        console.print(f"server   {server.url}", highlight=False)
        _put_up(server, console)
        with view_for(console) as view:
            result = _tune(server, view, jobs, min(parallel, jobs))
        _report(server, result, console, keep)
    if result["HyperParameterTuningJobStatus"] != "Completed":
        raise typer.Exit(1)


def _put_up(server: DemoServer, console: Console) -> None:
    """The packaged data set, through the S3 API."""
    from pegbox import data

    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for name, path in data.files().items():
        key = f"{PREFIX}/{name}/{path.name}"
        s3.upload_file(str(path), BUCKET, key)
        console.print(f"data     s3://{BUCKET}/{key}", highlight=False)


def _tune(server: DemoServer, view: View, jobs: int, parallel: int) -> Mapping[str, Any]:
    from pegbox.client.following import follow
    from pegbox.demo.request import training_job_definition, tuning_job_config

    sagemaker = server.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=NAME,
        HyperParameterTuningJobConfig=tuning_job_config(jobs, parallel),
        TrainingJobDefinition=training_job_definition(BUCKET, PREFIX),
    )
    try:
        return follow(sagemaker, NAME, view)
    except KeyboardInterrupt:
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=NAME)
        raise


def _report(server: DemoServer, result: Mapping[str, Any], console: Console, keep: bool) -> None:
    if keep:
        console.print(
            f"\nThe server stays up with everything in {server.home}. To use it:\n"
            f'    eval "$(pegbox env --home {server.home})"\n'
            f"    aws sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name {NAME}\n"
            f"To end it:\n    kill {server.pid}; rm -r {server.home}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    best = result.get("BestTrainingJob")
    if best is None:
        console.print(f"{result['HyperParameterTuningJobStatus']}: {result.get('FailureReason', 'no result')}")
        return
    console.print("\nbest hyperparameters", style="bold")
    for name, value in sorted(best["TunedHyperParameters"].items()):
        console.print(f"    {name} = {value}", highlight=False)
    final = best["FinalHyperParameterTuningJobObjectiveMetric"]
    line = f"best {best['TrainingJobName']} {final['MetricName']}={final['Value']}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
