"""Metrics computed from sums: values worked out by hand, and parts adding up to the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.algorithms.xgboost import metrics
from pegbox.algorithms.xgboost.custom_metrics import OF_CONFUSION, OF_MOMENTS, classes_of, confusion, moments

# true and predicted classes: 2 true positives, 1 false negative, 2 false positives, 3 true negatives
BINARY = (np.array([1, 1, 1, 0, 0, 0, 0, 0], np.float32), np.array([1, 1, 0, 1, 1, 0, 0, 0]), 2)
# confusion [[2, 1, 0], [0, 1, 1], [0, 1, 0]]
MULTI = (np.array([0, 0, 0, 1, 1, 2], np.float32), np.array([0, 0, 1, 1, 2, 1]), 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 5 / 8),
        ("balanced_accuracy", 19 / 30),
        ("f1", 13 / 21),
        ("f1_binary", 4 / 7),
        ("precision", 1 / 2),
        ("recall", 2 / 3),
        ("precision_macro", 5 / 8),
        ("recall_micro", 5 / 8),
    ],
)
def test_two_classes(name: str, value: float) -> None:
    assert OF_CONFUSION[name](confusion(*BINARY)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 1 / 2),
        ("balanced_accuracy", 7 / 18),
        ("f1", 2 / 5),
        ("f1_macro", 2 / 5),
        ("precision_macro", 4 / 9),
        ("precision_micro", 1 / 2),
        ("recall_macro", 7 / 18),
        ("recall_micro", 1 / 2),
    ],
)
def test_three_classes(name: str, value: float) -> None:
    assert OF_CONFUSION[name](confusion(*MULTI)) == pytest.approx(value)


def test_classes_that_do_not_occur_do_not_count() -> None:
    four = confusion(MULTI[0], MULTI[1], 4)
    assert OF_CONFUSION["f1_macro"](four) == OF_CONFUSION["f1_macro"](confusion(*MULTI))


def test_regression() -> None:
    labels, predictions = np.array([1, 1, 0, 0], np.float32), np.ones(4, np.float32)
    sums = moments(labels, predictions)
    assert OF_MOMENTS["mse"](sums) == 0.5
    assert OF_MOMENTS["r2"](sums) == -1
    assert OF_MOMENTS["r2"](moments(labels, labels)) == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=30), st.integers(1, 29))
def test_sums_of_parts_are_those_of_the_whole(rows: list[tuple[int, int]], cut: int) -> None:
    labels, classes = np.array(rows, np.float32).T[0], np.array(rows).T[1]
    parts = confusion(labels[:cut], classes[:cut], 3) + confusion(labels[cut:], classes[cut:], 3)
    np.testing.assert_array_equal(parts, confusion(labels, classes, 3))
    assert OF_CONFUSION["accuracy"](parts) == pytest.approx(np.mean(labels == classes))


def test_classes_of_predictions() -> None:
    scores = np.array([0.2, 0.5, 0.7], np.float32)
    assert classes_of(scores, "binary:logistic").tolist() == [0, 0, 1]
    assert classes_of(scores - 0.3, "binary:logitraw").tolist() == [0, 1, 1]
    assert classes_of(np.array([2, 0], np.float32), "multi:softmax").tolist() == [2, 0]
    assert classes_of(np.array([[0.1, 0.9], [0.8, 0.2]], np.float32), "multi:softprob").tolist() == [1, 0]


def test_every_metric_of_ours_is_declared() -> None:
    assert {*OF_CONFUSION, *OF_MOMENTS} == metrics.CUSTOM <= metrics.NAMES
