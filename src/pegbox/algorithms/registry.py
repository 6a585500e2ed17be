"""Which algorithm a training image means.

Images are recognised by their repository, whatever the account, region, domain and tag: an ECR address of any region,
the bare name `xgboost`, or `builtin://xgboost`.  (SageMaker developer guide, "Docker Registry Paths and Example Code".)
"""

from __future__ import annotations

import re
from collections.abc import Collection

from pegbox.algorithms import image as images
from pegbox.algorithms.base import Algorithm
from pegbox.algorithms.xgboost.algorithm import XGBOOST

ALGORITHMS: tuple[Algorithm, ...] = (XGBOOST,)

#: hyperparameters by which an image of the built-in becomes a framework that runs the user's own script
SCRIPT_HYPERPARAMETERS = frozenset({"sagemaker_program", "sagemaker_submit_directory"})

_FRAMEWORKS = (
    ("scikit-learn", re.compile(r"sagemaker-scikit-learn")),
    ("pytorch", re.compile(r"pytorch-training")),
    ("tensorflow", re.compile(r"tensorflow-training|sagemaker-tensorflow(-scriptmode)?")),
    ("mxnet", re.compile(r"mxnet-training|sagemaker-mxnet")),
    ("huggingface", re.compile(r"huggingface-[a-z0-9-]*training(-[a-z0-9-]+)?")),
    ("xgboost", re.compile(r"sagemaker-xgboost")),
)


def find(image: str) -> Algorithm | None:
    """The built-in algorithm that `image` names, or None."""
    repository = images.parse(image).repository
    return next((algorithm for algorithm in ALGORITHMS if repository in algorithm.repositories), None)


def framework_of(image: str) -> str | None:
    """The framework whose image runs a user's script: scikit-learn, pytorch, tensorflow, mxnet, huggingface or xgboost.

    `sagemaker-xgboost` is both a framework and a built-in: `program_of` tells them apart by the hyperparameters.
    """
    repository = images.parse(image).repository
    return next((name for name, pattern in _FRAMEWORKS if pattern.fullmatch(repository)), None)


def program_of(image: str, hyperparameters: Collection[str]) -> Algorithm | str | None:
    """What a job with this image and these hyperparameter names runs.

    An Algorithm: the built-in.  A str: the framework of that name with the script that the job brings (script mode).
    None: an image that is neither, which only a container can run.
    """
    if SCRIPT_HYPERPARAMETERS.intersection(hyperparameters) and (framework := framework_of(image)):
        return framework
    return find(image) or framework_of(image)
