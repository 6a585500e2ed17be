"""Every constraint of the model is checked, in the words of AWS."""

from __future__ import annotations

from typing import Any

import pytest

from pegbox.errors import MalformedRequest, ValidationException
from pegbox.wire import json11
from pegbox.wire.service import find_operation, matcher, pattern_of, service_model
from pegbox.wire.validate import check

#: Patterns of the model that no engine here can read; the list may only shrink.
UNREADABLE = {
    r"[\p{L}\p{M}\p{Z}\p{N}\p{P}]{0,1024}",
    r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*",
    r"arn:[\p{Alnum}\-]+:lambda:[\p{Alnum}\-]+:[0-9]{12}:function:.*",
}


def refused(operation: str, request: dict[str, Any]) -> str:
    found = find_operation("sagemaker", operation)
    assert found is not None
    with pytest.raises(ValidationException) as caught:
        check(request, found.model.input_shape)
    return caught.value.message


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "Value null at 'trainingJobName' failed to satisfy constraint: Member must not be null"),
        ({"TrainingJobName": None}, "Value null at 'trainingJobName'"),
        (
            {"TrainingJobName": "a" * 64},
            f"Value '{'a' * 64}' at 'trainingJobName' failed to satisfy constraint: "
            "Member must have length less than or equal to 63",
        ),
        (
            {"TrainingJobName": "a_b"},
            "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        ),
        ({"TrainingJobName": "a\nb"}, "Member must satisfy regular expression pattern"),
        ({"TrainingJobName": 7}, "Value '7' at 'trainingJobName' failed to satisfy constraint: Member must be of type"),
        ({"TrainingJobName": "a\x00b"}, "must not contain NUL characters or lone surrogates"),
        ({"TrainingJobName": "a\ud800b"}, "must not contain NUL characters or lone surrogates"),
        ({"TrainingJobName": "a", "Nonsense": 1}, "Member must be one of the known members of"),
    ],
)
def test_a_broken_rule_is_named(request_: dict[str, Any], words: str) -> None:
    assert words in refused("DescribeTrainingJob", request_)


def test_numbers_enumerations_and_lists_are_bounded() -> None:
    message = refused("ListTrainingJobs", {"MaxResults": 101, "SortBy": "Colour", "SortOrder": "Ascending"})
    assert message.startswith("2 validation errors detected: ")
    assert (
        "Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100"
        in message
    )
    assert "Value 'Colour' at 'sortBy' failed to satisfy constraint: Member must satisfy enum value set: [" in message
    assert "32-bit" in refused("ListTrainingJobs", {"MaxResults": 1 << 40})
    assert "at 'maxResults'" in refused("ListTrainingJobs", {"MaxResults": True})


def test_the_path_leads_through_lists_and_maps() -> None:
    message = refused(
        "AddTags",
        {
            "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:x/y",
            "Tags": [{"Key": "k", "Value": "v"}, {"Key": "k"}],
        },
    )
    assert message == (
        "1 validation error detected: Value null at 'tags.2.member.value' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_a_list_where_a_map_belongs_is_refused() -> None:
    request = {"TrainingJobName": "a", "Environment": [{"SM_LOG_LEVEL": 10}]}
    assert "at 'environment' failed to satisfy constraint: Member must be of type map" in refused(
        "CreateTrainingJob", request
    )


def test_long_values_are_not_repeated_whole() -> None:
    assert len(refused("DescribeTrainingJob", {"TrainingJobName": "a" * 100_000})) < 1000


def test_no_more_patterns_are_unreadable_than_are_known() -> None:
    model = service_model("sagemaker")
    patterns = {pattern_of(model.shape_for(name)) for name in model.shape_names}
    assert {pattern for pattern in patterns if pattern and matcher(pattern) is None} == UNREADABLE


@pytest.mark.parametrize("body", [b"{", b"[]", b'"a"', b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"a":' * 50_000])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        json11.parse(body)
