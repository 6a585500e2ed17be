"""botocore is the oracle: what its serialiser writes we read, what we write its parser reads, for every operation."""

from __future__ import annotations

import json

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from pegbox.wire import json11
from pegbox.wire.service import Operation, find_operation, service_model
from pegbox.wire.validate import violations
from shape_examples import example

OPERATIONS = sorted(service_model("sagemaker").operation_names)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_request_of_botocore_is_read_as_it_was_meant(name: str) -> None:
    operation = _operation(name)
    shape = operation.model.input_shape
    if shape is None:
        return
    value = example(shape)
    serializer = create_serializer("json", include_validation=False)
    wire = serializer.serialize_to_request(value, operation.model)
    parsed = json11.parse(wire["body"])
    structural = [text for text in violations(parsed, shape, "") if "pattern" not in text and "length" not in text]
    assert structural == []
    assert set(parsed) == set(value)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_answer_is_read_by_botocore_as_it_was_meant(name: str) -> None:
    operation = _operation(name)
    shape = operation.model.output_shape
    if shape is None:
        assert json11.answer(None, operation) == b""
        return
    value = example(shape)
    body = json11.answer({**value, "NoSuchMember": 1}, operation)
    response = {"body": body, "headers": {}, "status_code": 200}
    parsed = create_parser("json").parse(response, shape)
    parsed.pop("ResponseMetadata")
    assert "NoSuchMember" not in json.loads(body)
    assert set(parsed) == set(value)


def _operation(name: str) -> Operation:
    operation = find_operation("sagemaker", name)
    assert operation is not None
    return operation
