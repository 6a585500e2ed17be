"""Files of YAML and JSON, and where in them something is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegbox.client.document import UnreadableFile, read


def test_yaml_is_read_by_the_rules_of_its_version_1_2(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1e-4\nb: [no, on, 'true', true, 010, .5, 1., -3, ~]\nc: 2026-01-01\nd:\n")
    node = read(file)
    assert node.plain == {
        "a": 1e-4, "b": ["no", "on", "true", True, 10, 0.5, 1.0, -3, None], "c": "2026-01-01", "d": None,
    }  # fmt: skip
    assert isinstance(node.value, dict)
    assert (node.value["a"].text, node.value["c"].line) == ("1e-4", 3)
    assert isinstance(node.value["b"].value, list)
    assert (node.value["b"].value[4].text, node.value["b"].value[4].path) == ("010", "b[4]")


def test_json_is_read_as_json(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('\ufeff{"a":1,\n\t"b":"\\ud83d\\ude00\\/\\\\d", "c":\t[1e-4, true]}')
    node = read(file)
    assert node.plain == {"a": 1, "b": "\U0001f600/\\d", "c": [1e-4, True]}
    assert isinstance(node.value, dict) and node.value["c"].line == 2


WRONG = {
    'a: "(\\d+)"': ":1: found unknown escape character 'd'; in 'single quotes' a backslash is a backslash",
    "a: 1\nb: 2\na: 3": ":3: a is here twice",
    "a: [1\nb: 2": ":2: expected ',' or ']', but got ':'",
    "a: !!python/name:os.system x": ":1: the tag tag:yaml.org,2002:python/name:os.system means nothing here",
    "a: &x [*x]": ": it is nested too deeply",
    "[" * 2000: ": it is nested too deeply",
    "a: 1\n---\nb: 2": ":2: but found another document",
    "a: \x00": ": unacceptable character #x0000: special characters are not allowed",
    "? [a]\n: b": ":1: a name must be a plain text",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_read_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UnreadableFile) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}{WRONG[text]}")


def test_wrong_json_binary_and_missing_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1,\n}')
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")
    for name, said in {
        "a.json": ":2: this is no JSON: ", "b.yaml": ": it is not UTF-8: ", "c.yaml": ": No such file or directory",
    }.items():  # fmt: skip
        with pytest.raises(UnreadableFile, match=f"{name}{said}"):
            read(tmp_path / name)
