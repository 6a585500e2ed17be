"""Searches as people type them: what they become, and where it is told that one cannot be understood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.client import query
from pegbox.client.found import Wanted, program
from pegbox.client.query import Condition, Element, Joined, QueryFault
from pegbox.wire.service import service_model
from pegbox.wire.validate import check


def parsed(text: str) -> dict[str, Any]:
    node = query.parse(text)
    assert node is not None
    found = query.expression(node)
    check(found, service_model("sagemaker").shape_for("SearchExpression"))
    return found


def has(name: str, operator: str, value: str | None = None) -> dict[str, str]:
    return {"Name": name, "Operator": operator} | ({} if value is None else {"Value": value})


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("x = 1", has("x", "Equals", "1")),
        ("x == 1", has("x", "Equals", "1")),
        ("x!=1", has("x", "NotEquals", "1")),
        ("x <> 1", has("x", "NotEquals", "1")),
        ("Metrics.validation:auc>0.9", has("Metrics.validation:auc", "GreaterThan", "0.9")),
        ("x >= -1e-3", has("x", "GreaterThanOrEqualTo", "-1e-3")),
        ("x < 1", has("x", "LessThan", "1")),
        ("x<=1", has("x", "LessThanOrEqualTo", "1")),
        ("x contains s3://a/b_c", has("x", "Contains", "s3://a/b_c")),
        ("x CONTAINS 'and'", has("x", "Contains", "and")),
        ("x in (a, b,c)", has("x", "In", "a,b,c")),
        ("x exists", has("x", "Exists")),
        ("x not exists", has("x", "NotExists")),
        ('Tags."my key" = "a \\"b\\" \\\\ c"', has("Tags.my key", "Equals", 'a "b" \\ c')),
        ("'in' = 'or'", has("in", "Equals", "or")),
        ("x = it's fine'", has("x", "Equals", "its fine")),
        ("CreationTime > 2026-11-28T12:00:00", has("CreationTime", "GreaterThan", "2026-11-28T12:00:00")),
        ("((x = 1))", has("x", "Equals", "1")),
        ("Käse = größer", has("Käse", "Equals", "größer")),
    ],
)
def test_every_operator(text: str, wanted: Mapping[str, str]) -> None:
    assert parsed(text) == {"Filters": [wanted]}


def test_and_binds_closer_than_or() -> None:
    one, two, three = (has(name, "Equals", "1") for name in "abc")
    assert parsed("a = 1 and b = 1 or c = 1") == {
        "Operator": "Or",
        "Filters": [three],
        "SubExpressions": [{"Operator": "And", "Filters": [one, two]}],
    }
    assert parsed("a=1 and (b=1 or c=1)") == {
        "Operator": "And",
        "Filters": [one],
        "SubExpressions": [{"Operator": "Or", "Filters": [two, three]}],
    }
    assert parsed("a = 1 and (b = 1 and c = 1)") == {"Operator": "And", "Filters": [one, two, three]}
    assert parsed("a not in (1, 2)") == {
        "Operator": "And",
        "Filters": [has("a", "NotEquals", "1"), has("a", "NotEquals", "2")],
    }


def test_conditions_on_one_element() -> None:
    text = "InputDataConfig[ChannelName = train and DataSource.S3DataSource.S3Uri contains cats] and x exists"
    assert parsed(text) == {
        "Operator": "And",
        "Filters": [has("x", "Exists")],
        "NestedFilters": [
            {
                "NestedPropertyName": "InputDataConfig",
                "Filters": [
                    has("InputDataConfig.ChannelName", "Equals", "train"),
                    has("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "cats"),
                ],
            }
        ],
    }


def test_no_list_is_longer_than_the_api_takes() -> None:
    assert sum(1 for _ in query.conditions(query.parse(" or ".join(f"x = {n}" for n in range(45))))) == 45
    found = parsed(" or ".join(f"x = {n}" for n in range(45)))
    (below,) = found["SubExpressions"]
    assert len(found["Filters"]) == 20 and len(below["Filters"]) == 20 and below["Operator"] == "Or"
    assert len(below["SubExpressions"][0]["Filters"]) == 5
    many = parsed(" or ".join(f"(x = {n} and y = {n})" for n in range(22)))
    assert len(many["SubExpressions"]) == 20


@pytest.mark.parametrize(
    "text, place, message",
    [
        ("x", 1, "one of = != < <= > >= contains, in, not in, exists, not exists is expected here"),
        ("x =", 3, "a value after = is expected here"),
        ("x = 1 and", 9, "the name of a property is expected here"),
        ("x = and", 4, "a value after = is expected here; if it is called so, write it in quotes"),
        ("x = 1 y = 2", 6, "and, or, or the end is expected here"),
        ("(x = 1", 6, "the parenthesis that is opened at character 1 is not closed here"),
        ("x = 1)", 5, "no parenthesis is open here"),
        ("x in a", 5, "the values of in stand in parentheses: in (a, b)"),
        ("x in (a b)", 8, "a comma or ) is expected here"),
        ("x in ('a,b')", 6, "in cannot look for a text with a comma: use = and or"),
        ("x not 1", 6, "in or exists is expected after not"),
        ("not x = 1", 0, "not stands behind a name: NAME not in (...), NAME not exists; for others use !="),
        ("a[b = 1 or c = 2]", 8, "conditions on one element can only be joined with and"),
        ("a[b = 1", 7, "and or ] is expected here"),
        ("x = 'abc", 4, "this quotation has no end"),
        ("x ! 1", 2, "! stands only before ="),
        ("x = ''", 4, "a value after = cannot be empty"),
        ("= 1", 0, "the name of a property is expected here"),
        ("x = 1 or () ", 10, "the name of a property is expected here"),
    ],
)
def test_faults_point_at_their_place(text: str, place: int, message: str) -> None:
    with pytest.raises(QueryFault) as told:
        query.parse(text)
    assert str(told.value) == f"{text}\n{' ' * place}^ {message}"


def test_only_the_line_of_a_fault_is_shown() -> None:
    with pytest.raises(QueryFault) as told:
        query.parse("x = 1\nand y\nor z = 2")
    assert str(told.value).startswith("or z = 2\n^ one of = !=")
    assert query.parse(" \n") is None


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8)
names = words.map(lambda text: f"Tags.{text}")
plain = st.builds(
    lambda name, operator, value: Condition(name, operator, value, 0, 0),
    names,
    st.sampled_from([*set(query.COMPARISONS.values()), "Contains"]),
    words,
)
kinds = plain | st.builds(
    lambda name, operator: Condition(name, operator, None, 0, 0), names, st.sampled_from(["Exists", "NotExists"])
)
nested = st.builds(lambda name, parts: Element(name, tuple(parts), 0), words, st.lists(kinds, min_size=1, max_size=3))
trees = st.recursive(
    kinds | nested,
    lambda part: st.builds(
        lambda by, parts: Joined(by, tuple(parts)),
        st.sampled_from(["And", "Or"]),
        st.lists(part, min_size=2, max_size=4),
    ),
    max_leaves=8,
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(node: query.Node) -> str:
    match node:
        case Condition(name, operator, None):
            return f"{quoted(name)} {'exists' if operator == 'Exists' else 'not exists'}"
        case Condition(name, operator, value):
            sign = {meant: sign for sign, meant in query.COMPARISONS.items()} | {"Contains": "contains"}
            return f"{quoted(name)} {sign[operator]} {quoted(str(value))}"
        case Element(name, parts):
            return f"{quoted(name)}[{' and '.join(map(written, parts))}]"
        case Joined(by, parts):
            return "(" + f" {by.lower()} ".join(map(written, parts)) + ")"
    raise AssertionError(node)


def without_places(node: Any) -> Any:
    """As it is read back: what is joined by the same word is one list."""
    match node:
        case Condition(name, operator, value):
            return name, operator, value
        case Element(name, parts):
            return name, [without_places(each) for each in parts]
        case Joined(by, parts):
            flat: list[Any] = []
            for each in map(without_places, parts):
                flat += each[1] if isinstance(each, tuple) and each[0] == ("joined", by) else [each]
            return ("joined", by), flat


@settings(max_examples=200, deadline=None)
@given(trees)
def test_what_is_written_is_read_again(node: query.Node) -> None:
    assert without_places(query.parse(written(node))) == without_places(node)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab =!<>()[],'\"\\.\nandorinot"), max_size=20))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        node = query.parse(text)
    except QueryFault as fault:
        assert "^" in str(fault)
    else:
        assert node is None or query.expression(node)


def test_the_program_asks_the_same() -> None:
    text = 'Tags."it\'s" = \'a "b" \\\\ ü\' and x in (1, 2)'
    wanted = Wanted(
        resource="TrainingJob", text=text, node=query.parse(text), sort_by="Metrics.auc", ascending=True, limit=7
    )
    asked: list[dict[str, Any]] = []

    class Pages:
        def paginate(self, **given: Any) -> list[Any]:
            asked.append(given)
            return []

    class Client:
        def get_paginator(self, name: str) -> Pages:
            assert name == "search"
            return Pages()

    source = program(wanted).replace("import boto3\n", "").replace('boto3.client("sagemaker")', "Client()")
    exec(source, {"Client": Client})
    assert asked == [{**wanted.request(), "PaginationConfig": {"MaxItems": 7, "PageSize": 7}}]


@pytest.mark.parametrize(
    ("resource", "record"),
    [
        ("TrainingJob", {"TrainingJob": {"TrainingJobName": "it"}}),
        ("ExperimentTrial", {"Trial": {"TrialName": "it"}}),
        ("Model", {"Model": {"Model": {"ModelName": "it"}}}),
        ("Endpoint", {"Endpoint": {"EndpointName": "it"}}),
    ],
)
def test_the_program_prints_names(resource: str, record: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    class Client:
        def get_paginator(self, name: str) -> Any:
            return self

        def paginate(self, **given: Any) -> list[Any]:
            return [{"Results": [record]}]

    wanted = Wanted(resource=resource, text="", node=None, sort_by=None, ascending=False, limit=7)
    source = program(wanted).replace("import boto3\n", "").replace('boto3.client("sagemaker")', "Client()")
    exec(source, {"Client": Client})
    assert capsys.readouterr().out == "it\n"
