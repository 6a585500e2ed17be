"""What the API server knows of the XGBoost algorithm (SageMaker developer guide, "XGBoost Algorithm")."""

from __future__ import annotations

from pegbox.algorithms.base import Algorithm
from pegbox.algorithms.xgboost import metrics, schema

XGBOOST = Algorithm(
    name="xgboost",
    repositories=frozenset({"xgboost", "sagemaker-xgboost"}),
    trainer="pegbox.algorithms.xgboost.train",
    metrics=metrics.declared(),
    tunables=schema.tunables(),
    required_channels=("train",),
    optional_channels=("validation", "code"),
    content_types=(
        "text/libsvm",
        "text/x-libsvm",
        "libsvm",
        "text/csv",
        "csv",
        "application/x-parquet",
        "parquet",
        "application/x-recordio-protobuf",
        "recordio-protobuf",
    ),
    distributed=True,
)
