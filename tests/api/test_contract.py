"""The container contract as the program sees it: layout, environment, channels, instances, results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import archive, children, fetch, keys, new_name, put, training_ended, tuning_ended
from pegbox.testing.requests import channel, training_request, tuning_request

#: prints, as one line of JSON into the model, what a program can find out about its surroundings
LOOK_AROUND = """
    import json, os, pathlib, socket

    ml = pathlib.Path("/opt/ml")
    model = pathlib.Path(os.environ["SM_MODEL_DIR"])

    def config(name):
        return json.loads((pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"]) / f"{name}.json").read_text())

    def files(folder):
        return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}

    host = os.environ["SM_CURRENT_HOST"]
    found = {
        "environment": dict(os.environ),
        "hyperparameters": config("hyperparameters"),
        "inputdataconfig": config("inputdataconfig"),
        "resourceconfig": config("resourceconfig"),
        "data": files(pathlib.Path(os.environ["SM_INPUT_DIR"]) / "data"),
        "same tree": sorted(p.name for p in ml.iterdir()) == sorted(p.name for p in model.parent.iterdir()),
        "address": socket.gethostbyname(host),
        "workdir": os.getcwd(),
    }
    (model / f"{host}.json").write_text(json.dumps(found))
"""


@pytest.fixture
def run(sagemaker: Any, s3: Any, here: str) -> Callable[..., dict[str, Any]]:
    """Run a training job to its end."""

    def start(image: str, **changes: Any) -> dict[str, Any]:
        name = new_name()
        sagemaker.create_training_job(**training_request(name, image, f"{here}/out", **changes))
        return training_ended(sagemaker, name)

    return start


@pytest.fixture
def look(run: Callable[..., dict[str, Any]], image: Callable[..., str], s3: Any) -> Callable[..., dict[str, Any]]:
    """What the programs of a job see: host -> findings."""

    def start(**changes: Any) -> dict[str, Any]:
        job = run(image(LOOK_AROUND), **changes)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        found = archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"])
        return {name.removesuffix(".json"): json.loads(text) for name, text in found.items()}

    return start


def test_the_program_finds_its_job(look: Callable[..., dict[str, Any]], here: str, s3: Any, tmp_path: Path) -> None:
    put(s3, here, {"/train/a.csv": "1,2", "/train/deep/b.csv": "3"})
    seen = look(
        HyperParameters={"epochs": "3", "optimizer": '"sgd"', "lr": "0.1"},
        Environment={"SM_LOG_LEVEL": "10", "MINE": "yes"},
        InputDataConfig=[channel("train", f"{here}/train") | {"ContentType": "text/csv"}],
    )["algo-1"]
    assert seen["hyperparameters"] == {"epochs": "3", "optimizer": '"sgd"', "lr": "0.1"}
    assert seen["inputdataconfig"] == {
        "train": {
            "ContentType": "text/csv",
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
    }
    resources = seen["resourceconfig"]
    assert resources["current_host"] == "algo-1" and resources["hosts"] == ["algo-1"]
    assert resources["network_interface_name"] and resources["current_instance_type"] == "ml.m5.large"
    assert seen["data"] == {"train/a.csv": "1,2", "train/deep/b.csv": "3"}
    assert seen["same tree"]
    assert seen["workdir"] == str(tmp_path)


def test_the_environment_of_the_program(look: Callable[..., dict[str, Any]], here: str, s3: Any) -> None:
    put(s3, here, {"/train/a.csv": "1"})
    seen = look(
        HyperParameters={"epochs": "3", "optimizer": '"sgd"'},
        Environment={"SM_LOG_LEVEL": "10", "MINE": "yes"},
        InputDataConfig=[channel("train", f"{here}/train")],
    )["algo-1"]["environment"]
    assert seen["MINE"] == "yes" and seen["SM_LOG_LEVEL"] == "10"
    assert seen["SM_HP_EPOCHS"] == "3" and seen["SM_HP_OPTIMIZER"] == "sgd"
    assert json.loads(seen["SM_HPS"]) == {"epochs": 3, "optimizer": "sgd"}
    assert json.loads(seen["SM_CHANNELS"]) == ["train"]
    assert json.loads(seen["SM_HOSTS"]) == ["algo-1"]
    assert json.loads(seen["SM_USER_ARGS"]) == ["--epochs", "3", "--optimizer", "sgd"]
    assert seen["SM_CHANNEL_TRAIN"].endswith("/input/data/train")
    assert seen["TRAINING_JOB_ARN"].endswith(f":training-job/{seen['TRAINING_JOB_NAME']}")
    assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "us-east-1"
    for name in ("SM_OUTPUT_DATA_DIR", "SM_OUTPUT_DIR", "SM_TRAINING_ENV", "SM_RESOURCE_CONFIG", "SM_NUM_CPUS"):
        assert seen[name]
    assert not [name for name in seen if name.startswith("PEGBOX_") and "SECRET" in name]
    assert "AWS_SECRET_ACCESS_KEY" not in seen


def test_the_images_own_environment_is_below_the_requests(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], s3: Any
) -> None:
    program = """
        import os, pathlib
        pathlib.Path(os.environ["SM_MODEL_DIR"], "seen").write_text(os.environ["A"] + os.environ["B"])
    """
    job = run(image(program, "--env", "A=image", "--env", "B=image"), Environment={"B": "request"})
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"seen": b"imagerequest"}


@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_a_prefix_is_a_folder_or_a_part_of_a_name_or_one_object(
    look: Callable[..., dict[str, Any]], here: str, s3: Any, mode: str
) -> None:
    put(s3, here, {"/d/part-1": "1", "/d/part-2": "2", "/d/sub/part-3": "3", "/d/other": "4", "/d/": ""})
    channels = {
        "folder": f"{here}/d",
        "slash": f"{here}/d/",
        "partial": f"{here}/d/part",
        "exact": f"{here}/d/other",
    }
    seen = look(
        InputDataConfig=[channel(name, uri) | {"InputMode": mode} for name, uri in channels.items()],
    )["algo-1"]
    everything = {"part-1": "1", "part-2": "2", "sub/part-3": "3", "other": "4"}
    assert seen["data"] == {
        **{f"folder/{name}": text for name, text in everything.items()},
        **{f"slash/{name}": text for name, text in everything.items()},
        "partial/part-1": "1",
        "partial/part-2": "2",
        "exact/other": "4",
    }
    assert {item["TrainingInputMode"] for item in seen["inputdataconfig"].values()} == {mode}


def test_a_manifest_names_its_objects(look: Callable[..., dict[str, Any]], here: str, s3: Any) -> None:
    manifest = [{"prefix": f"{here}/d/"}, "a.csv", "sub/b.csv"]
    put(s3, here, {"/d/a.csv": "1", "/d/sub/b.csv": "2", "/d/c.csv": "3", "/list.manifest": json.dumps(manifest)})
    seen = look(InputDataConfig=[channel("train", f"{here}/list.manifest", S3DataType="ManifestFile")])
    assert seen["algo-1"]["data"] == {"train/a.csv": "1", "train/sub/b.csv": "2"}


MANIFESTS = {
    "no JSON": "{",
    "no prefix": '["a.csv"]',
    "not a list": "{}",
    "a prefix that is no place": '[{"prefix": "ftp://a/"}, "a.csv"]',
    "no entries": '[{"prefix": "s3://jobs/"}]',
    "an object that is not there": '[{"prefix": "s3://jobs/"}, "nothing.csv"]',
    "a way out": '[{"prefix": "s3://jobs/"}, "../../../etc/passwd"]',
    "a number": '[{"prefix": "s3://jobs/"}, 5]',
    "deep nesting": "[" * 100_000,
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_wrong_manifest_fails_the_job(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], here: str, s3: Any, case: str
) -> None:
    put(s3, here, {"/list.manifest": MANIFESTS[case]})
    source = channel("train", f"{here}/list.manifest", S3DataType="ManifestFile")
    job = run(image("print()"), InputDataConfig=[source])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed: ")


@pytest.mark.parametrize("count", [2, 3])
def test_sharded_channels_are_dealt_out(look: Callable[..., dict[str, Any]], here: str, s3: Any, count: int) -> None:
    put(s3, here, {f"/d/{number}": str(number) for number in range(5)})
    seen = look(
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1},
        InputDataConfig=[
            channel("train", f"{here}/d", S3DataDistributionType="ShardedByS3Key"),
            channel("same", f"{here}/d/0"),
        ],
    )
    assert sorted(seen) == [f"algo-{number}" for number in range(1, count + 1)]
    shares = [{n: t for n, t in found["data"].items() if n.startswith("train/")} for found in seen.values()]
    assert sorted(name for share in shares for name in share) == [f"train/{number}" for number in range(5)]
    assert {len(share) for share in shares} <= {1, 2, 3}
    assert all(found["data"]["same/0"] == "0" for found in seen.values())
    assert len({found["address"] for found in seen.values()}) == count
    assert seen["algo-1"]["inputdataconfig"]["train"]["S3DistributionType"] == "ShardedByS3Key"


def test_two_instances_talk_over_their_names(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], s3: Any
) -> None:
    program = """
        import os, pathlib, socket, time
        me = os.environ["SM_CURRENT_HOST"]
        if me == "algo-1":
            with socket.create_server(("algo-1", 7777)) as server:
                said = server.accept()[0].makefile().readline()
            pathlib.Path(os.environ["SM_MODEL_DIR"], "heard").write_text(said)
        else:
            while True:
                try:
                    peer = socket.create_connection(("algo-1", 7777), timeout=10)
                    break
                except ConnectionRefusedError:
                    time.sleep(0.02)
            peer.sendall(f"greetings from {me}".encode())
    """
    job = run(image(program), ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1})
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"heard": b"greetings from algo-2"}


OUTPUTS = """
    import os, pathlib
    model, data = (pathlib.Path(os.environ[name]) for name in ("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"))
    (model / "code").mkdir()
    (model / "weights").write_text("w")
    (model / "code" / "inference.py").write_text("i")
    (model / "link").symlink_to("/etc/passwd")
    (data / "plot").write_text("p")
"""


def test_model_and_data_are_archived(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], here: str, s3: Any
) -> None:
    job = run(image(OUTPUTS))
    place = f"{here}/out/{job['TrainingJobName']}/output"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"{place}/model.tar.gz"
    assert archive(s3, f"{place}/model.tar.gz") == {"weights": b"w", "code/inference.py": b"i"}
    assert archive(s3, f"{place}/output.tar.gz") == {"plot": b"p"}


def test_uncompressed_outputs_are_objects(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], here: str, s3: Any
) -> None:
    job = run(image(OUTPUTS), OutputDataConfig={"S3OutputPath": f"{here}/out/", "CompressionType": "NONE"})
    place = f"{here}/out/{job['TrainingJobName']}/output"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"{place}/model/"
    assert sorted(keys(s3, f"{place}/")) == ["data/plot", "model/code/inference.py", "model/weights"]
    assert fetch(s3, f"{place}/model/weights") == b"w"


FAILURES = {
    "with a failure file": (
        "pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('no data left'); sys.exit(3)",
        "AlgorithmError: no data left, exit code: 3",
    ),
    "with last words": ("print('giving up', file=sys.stderr); sys.exit(2)", "AlgorithmError: giving up, exit code: 2"),
    "by a signal": ("os.kill(os.getpid(), 9)", "AlgorithmError: ended by signal SIGKILL, exit code: 137"),
    "with a long failure file": (
        "pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('é' * 5000); sys.exit(255)",
        f"AlgorithmError: {'é' * 992}, exit code: 255",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_program_fails(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], here: str, s3: Any, case: str
) -> None:
    program, reason = FAILURES[case]
    keep = "pathlib.Path(os.environ['SM_MODEL_DIR'], 'half').write_text('x')"
    note = "pathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'log').write_text('l')"
    job = run(image(f"import os, pathlib, sys\n{keep}\n{note}\n{program}"))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == reason
    assert keys(s3, f"{here}/out/{job['TrainingJobName']}/") == ["output/output.tar.gz"]
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Training job failed"


def test_one_failing_instance_fails_the_job_and_ends_the_others(
    run: Callable[..., dict[str, Any]], image: Callable[..., str]
) -> None:
    program = """
        import os, sys, time
        if os.environ["SM_CURRENT_HOST"] == "algo-2":
            sys.exit("algo-2 is broken")
        time.sleep(600)
    """
    job = run(image(program), ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1})
    assert job["FailureReason"] == "AlgorithmError: algo-2 is broken, exit code: 1"


def test_checkpoints_are_restored_and_kept(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], here: str, s3: Any
) -> None:
    put(s3, here, {"/points/step-1": "one", "/points/old": "gone soon"})
    program = """
        import os, pathlib
        points = pathlib.Path("/opt/ml/points")
        if not points.exists():
            points = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"])
        (points / "step-2").write_text((points / "step-1").read_text() + " and two")
        (points / "old").unlink()
    """
    place = {"S3Uri": f"{here}/points", "LocalPath": "/opt/ml/points"}
    job = run(image(program), CheckpointConfig=place)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["CheckpointConfig"] == place
    assert sorted(keys(s3, f"{here}/points/")) == ["step-1", "step-2"]
    assert fetch(s3, f"{here}/points/step-2") == b"one and two"


def test_each_job_of_a_search_has_its_own_checkpoints(
    sagemaker: Any, image: Callable[..., str], here: str, s3: Any
) -> None:
    program = """
        import os, pathlib
        pathlib.Path(os.environ["SM_CHECKPOINT_DIR"], "x").write_text(os.environ["SM_HP_X"])
        print("loss=1;")
    """
    request = tuning_request(new_name(), image(program), f"{here}/out")
    request["TrainingJobDefinition"]["CheckpointConfig"] = {"S3Uri": f"{here}/points"}
    sagemaker.create_hyper_parameter_tuning_job(**request)
    tuning_ended(sagemaker, request["HyperParameterTuningJobName"])
    jobs = children(sagemaker, request["HyperParameterTuningJobName"])
    found = {key: fetch(s3, f"{here}/points/{key}").decode() for key in keys(s3, f"{here}/points/")}
    assert found == {f"{job['TrainingJobName']}/x": job["TunedHyperParameters"]["x"] for job in jobs}
    job = sagemaker.describe_training_job(TrainingJobName=jobs[0]["TrainingJobName"])
    assert job["CheckpointConfig"]["S3Uri"] == f"{here}/points/{jobs[0]['TrainingJobName']}/"


def test_files_of_this_machine_are_inputs_and_outputs(
    sagemaker: Any, image: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.csv").write_text("1,2")
    program = """
        import os, pathlib
        text = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "deep", "a.csv").read_text()
        pathlib.Path(os.environ["SM_MODEL_DIR"], "copy").write_text(text)
    """
    name = new_name()
    output = {"S3OutputPath": f"file://{tmp_path}/out", "CompressionType": "NONE"}
    request = training_request(name, image(program), "", OutputDataConfig=output)
    sagemaker.create_training_job(**request, InputDataConfig=[channel("train", f"file://{tmp_path}/in")])
    job = training_ended(sagemaker, name)
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"file://{tmp_path}/out/{name}/output/model/"
    assert (tmp_path / "out" / name / "output" / "model" / "copy").read_text() == "1,2"


KEYS = {
    "climbs out": "/d/../../../evil",
    "is a folder and a file": "/d/a",
    "is too long for a file": "/d/" + "x" * 300,
    "has an empty part": "/d/a//b",
    "is a dot": "/d/./b",
}


@pytest.mark.parametrize("case", KEYS)
def test_a_key_that_can_be_no_file_fails_the_job(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], here: str, s3: Any, case: str
) -> None:
    put(s3, here, {KEYS[case]: "evil"})
    if "folder" in case:
        put(s3, here, {"/d/a/b": "good"})
    job = run(image("print()"), InputDataConfig=[channel("train", f"{here}/d")])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed: ")


def test_a_channel_without_objects_fails_the_job(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    job = run(image("print()"), InputDataConfig=[channel("train", f"{here}/nothing")])
    assert job["FailureReason"].startswith(
        f"ClientError: Data download failed: No S3 objects found under S3 URL [{here}/nothing] "
        "given in input data source of channel [train]."
    )
    assert [step["Status"] for step in job["SecondaryStatusTransitions"]][-2:] == ["Downloading", "Failed"]
    assert "TrainingStartTime" not in job
    job = run(image("print()"), InputDataConfig=[channel("train", "s3://no-such-bucket/x")])
    assert "No S3 objects found under S3 URL [s3://no-such-bucket/x]" in job["FailureReason"]


def test_an_output_without_bucket_fails_the_job_before_it_trains(
    sagemaker: Any, image: Callable[..., str], tmp_path: Path
) -> None:
    name = new_name()
    program = image(f"open({str(tmp_path / 'ran')!r}, 'w')")
    sagemaker.create_training_job(**training_request(name, program, "s3://no-such-bucket/out"))
    job = training_ended(sagemaker, name)
    assert job["FailureReason"] == (
        "ClientError: The bucket of the S3OutputPath [s3://no-such-bucket/out] does not exist."
    )
    assert not (tmp_path / "ran").exists()


def test_a_program_that_cannot_be_run_is_the_clients_error(
    run: Callable[..., dict[str, Any]], image: Callable[..., str]
) -> None:
    algorithm = {"TrainingInputMode": "File", "TrainingImage": image("print()")}
    job = run("", AlgorithmSpecification=algorithm | {"ContainerEntrypoint": ["/no/such/program"]})
    assert job["FailureReason"] == "ClientError: cannot run '/no/such/program': No such file or directory"


def test_entrypoint_and_arguments_replace_the_images_own(
    run: Callable[..., dict[str, Any]], image: Callable[..., str], s3: Any
) -> None:
    name = image("import os, pathlib, sys\npathlib.Path(os.environ['SM_MODEL_DIR'], 'argv').write_text(sys.argv[1])")
    algorithm = {"TrainingInputMode": "File", "TrainingImage": name}
    job = run("", AlgorithmSpecification=algorithm | {"ContainerArguments": ["--fast"]})
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"argv": b"--fast"}
    entry = {"ContainerEntrypoint": ["/bin/sh", "-c"], "ContainerArguments": ["echo shell > $SM_MODEL_DIR/said"]}
    job = run("", AlgorithmSpecification=algorithm | entry)
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"said": b"shell\n"}


def test_an_entrypoint_takes_the_place_of_a_built_in(run: Callable[..., dict[str, Any]], s3: Any) -> None:
    algorithm = {"TrainingInputMode": "File", "TrainingImage": "xgboost"}
    entry = {"ContainerEntrypoint": ["/bin/sh", "-c", "echo own > $SM_MODEL_DIR/said"]}
    job = run("", AlgorithmSpecification=algorithm | entry)
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"said": b"own\n"}
    job = run("", AlgorithmSpecification=algorithm | {"ContainerArguments": ["--fast"]})
    assert job["FailureReason"].startswith("ClientError: The training image [xgboost] has no command here")
