"""Which algorithm an image means, and that knowing it costs the API server nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pegbox.algorithms import image, registry

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    "name",
    [
        f"{ECR}/sagemaker-xgboost:1.7-1",
        f"{ECR}/sagemaker-xgboost:1.0-1-cpu-py3",
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest",
        "451049120500.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost:1.5-1",
        f"{ECR}/sagemaker-xgboost@sha256:0011",
        "localhost:5000/team/xgboost",
        "xgboost",
        "xgboost:1.7-1",
        "sagemaker-xgboost",
        "builtin://xgboost",
        "builtin://xgboost:1",
    ],
)
def test_an_image_of_xgboost_is_recognised(name: str) -> None:
    algorithm = registry.find(name)
    assert algorithm is not None
    assert algorithm.name == "xgboost"


@pytest.mark.parametrize(
    "name", ["", ":", "/", "my-xgboost", "xgboost/other:1", f"{ECR}/linear-learner:1", "builtin://"]
)
def test_other_images_are_no_builtin(name: str) -> None:
    assert registry.find(name) is None


@pytest.mark.parametrize(
    ("name", "framework"),
    [
        (f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3", "scikit-learn"),
        ("763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312", "pytorch"),
        ("tensorflow-training:2.19.0", "tensorflow"),
        ("mxnet-training", "mxnet"),
        ("huggingface-pytorch-training:1.13", "huggingface"),
        ("huggingface-tensorflow-training", "huggingface"),
        (f"{ECR}/sagemaker-xgboost:1.7-1", "xgboost"),
        (f"{ECR}/xgboost:1", None),
        ("pytorch-inference:2.8.0", None),
        ("python:3.11", None),
    ],
)
def test_script_mode_images(name: str, framework: str | None) -> None:
    assert registry.framework_of(name) == framework


def test_a_script_turns_the_builtin_image_into_a_framework() -> None:
    builtin = registry.find("xgboost")
    name = f"{ECR}/sagemaker-xgboost:1.7-1"
    assert registry.program_of(name, {"eta", "num_round"}) is builtin
    assert registry.program_of(name, {"eta", "sagemaker_program"}) == "xgboost"
    assert registry.program_of("xgboost:1", {"sagemaker_program"}) is builtin
    assert registry.program_of("pytorch-training:2", {}) == "pytorch"
    assert registry.program_of("python:3.11", {"sagemaker_program"}) is None


def test_image_parts() -> None:
    parts = image.parse(f"{ECR}/team/sagemaker-XGBoost:1.7-1@sha256:00")
    assert (parts.host, parts.repository, parts.tag, parts.builtin) == (ECR, "sagemaker-xgboost", "1.7-1", False)
    assert image.parse("team/xgboost").host == ""


def test_the_registry_imports_no_numerical_library() -> None:
    code = (
        "import sys, pegbox.algorithms.registry, pegbox.data; pegbox.data.files();"
        "print([name for name in ('numpy', 'scipy', 'xgboost', 'pyarrow', 'botocore') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
