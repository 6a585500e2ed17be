from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pegbox.cli.metrics import app

LINE = (
    "GAN_loss=0.138318;  Scaled_reg=2.654134; disc:[-0.017371,0.102429] real 93.3% gen 0.0% disc-combined=0.000000; "
    "disc_train_loss=1.374587;  Loss = 16.020744;  Iteration 0 took 0.704s;  Elapsed=0s"
)
DEFINITIONS = [
    {"Name": "ganloss", "Regex": "GAN_loss=(.*?);"},
    {"Name": "disc-combined", "Regex": "disc-combined=(.*?);"},
    {"Name": "discloss", "Regex": "disc_train_loss=(.*?);"},
    {"Name": "loss", "Regex": "Loss = (.*?);"},
]


def run(place: Path, definitions: Any, log: str | bytes, *options: str) -> Result:
    written = definitions if isinstance(definitions, bytes) else json.dumps(definitions).encode()
    (place / "definitions.json").write_bytes(written)
    (place / "log").write_bytes(log if isinstance(log, bytes) else log.encode())
    return CliRunner().invoke(
        app, ["test", "--definitions", str(place / "definitions.json"), *options, str(place / "log")]
    )


def rows(result: Result) -> dict[str, list[str]]:
    return {cells[0]: cells[1:] for line in result.output.splitlines() if (cells := line.split())}


def test_the_published_log_line(tmp_path: Path) -> None:
    result = run(tmp_path, DEFINITIONS, LINE + "\n")
    assert result.exit_code == 0, result.output
    found = rows(result)
    assert {name: cells[:4] for name, cells in found.items() if name in {each["Name"] for each in DEFINITIONS}} == {
        "ganloss": ["1", "0.138318", "0.138318", "1"],
        "disc-combined": ["1", "0.0", "0.0", "1"],
        "discloss": ["1", "1.374587", "1.374587", "1"],
        "loss": ["1", "16.020744", "16.020744", "1"],
    }
    assert "0 of 1 lines match nothing" in result.output


def test_definitions_are_found_anywhere_in_a_request(tmp_path: Path) -> None:
    request = {"TrainingJobDefinition": {"AlgorithmSpecification": {"MetricDefinitions": DEFINITIONS}}, "Tags": [1]}
    assert run(tmp_path, request, LINE).exit_code == 0


REGEX = "Loss = (.*?);"
TUNED = {
    "train.yaml": f"image: mine\nminimize: {{name: loss, regex: '{REGEX}'}}\nparameters: {{a: [1, 2]}}\n",
    "api.yaml": "TrainingJobDefinition:\n  AlgorithmSpecification:\n"
    f"    MetricDefinitions: [{{Name: loss, Regex: '{REGEX}'}}]",
    "list.yml": f"- {{Name: loss, Regex: '{REGEX}'}}",
    "train.json": f'{{"image": "mine", "minimize": {{"name": "loss", "regex": "{REGEX}"}}, '
    '"parameters": {"a": [1, 2]}}',
}


@pytest.mark.parametrize("name", TUNED)
def test_what_tune_takes_will_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TUNED[name])
    (tmp_path / "log").write_text(LINE)
    result = CliRunner().invoke(app, ["test", "--definitions", str(tmp_path / name), str(tmp_path / "log")])
    assert result.exit_code == 0, result.output
    assert rows(result)["loss"][:4] == ["1", "16.020744", "16.020744", "1"]


def test_what_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("image: mine\nminimize: loss\n")
    result = CliRunner().invoke(app, ["test", "--definitions", str(tmp_path / "train.yaml"), str(tmp_path / "log")])
    assert (result.exit_code, "there are no parameters" in " ".join(result.output.split())) == (2, True)


def test_a_definition_that_finds_nothing_fails(tmp_path: Path) -> None:
    result = run(tmp_path, [*DEFINITIONS, {"Name": "auc", "Regex": "auc=([0-9.]+)"}], f"start\n{LINE}\n")
    assert result.exit_code == 1
    assert "auc: finds nothing" in result.output
    assert "1 of 2 lines matches nothing:" in result.output
    assert "       1  start" in result.output


@pytest.mark.parametrize(("expression", "reason"), [("loss=(", "not a valid regular"), ("loss=.*", "no capture group")])
def test_an_invalid_expression_is_explained(tmp_path: Path, expression: str, reason: str) -> None:
    result = run(tmp_path, [{"Name": "loss", "Regex": expression}], "loss=1\n")
    assert result.exit_code == 1
    assert reason in result.output


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    log = b"\r\n 10%\r20% loss=1\r\n\xff [bold]x\n(?)ok=7"
    result = run(tmp_path, [{"Name": "loss", "Regex": "^20% loss=(.*)$"}, {"Name": "ok", "Regex": "(?<=ok=)(.)"}], log)
    assert result.exit_code == 0, result.output
    assert rows(result)["loss"][:4] == ["1", "1.0", "1.0", "2"]
    assert rows(result)["ok"][:4] == ["1", "7.0", "7.0", "4"]
    assert "       3  \ufffd [bold]x" in result.output


def test_twenty_lines_without_a_match_are_shown(tmp_path: Path) -> None:
    log = "loss=1\n" + "nothing\n" * 30
    short, long = (run(tmp_path, [{"Name": "loss", "Regex": "loss=(.*)"}], log, *flags) for flags in ((), ("--all",)))
    assert "... and 10 more" in short.output
    assert (short.output.count("nothing\n"), long.output.count("nothing\n")) == (20, 30)


def test_plain_text_comes_out_of_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "definitions.json").write_text(json.dumps(DEFINITIONS))
    command = [sys.executable, "-c", "from pegbox.cli.metrics import app; app()", "test"]
    done = subprocess.run(
        [*command, "--definitions", str(tmp_path / "definitions.json"), "-"],
        input=LINE.encode(),
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in done.stdout
    assert b"16.020744" in done.stdout


@pytest.mark.parametrize(
    ("definitions", "reason"),
    [
        ([], "no metric definitions"),
        ([{"Name": "x"}], "a Name and a Regex"),
        ({}, "no metric"),
        ([{"Name": 1, "Regex": "2"}], "strings"),
        ([{"Name": "x", "Regex": 2}], "strings"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_file_without_definitions_is_refused(tmp_path: Path, definitions: Any, reason: str) -> None:
    result = run(tmp_path, definitions, "")
    assert result.exit_code == 2
    assert reason in result.output


def test_an_expression_that_never_ends_is_given_up(tmp_path: Path) -> None:
    evil = {"Name": "evil", "Regex": "(?=a)(a+)+$"}
    result = run(tmp_path, [evil, {"Name": "loss", "Regex": "loss=(.*)"}], "loss=1\n" + "a" * 40 + "!\nloss=2\n")
    assert result.exit_code == 1
    assert "evil: given up: it took more than 1 s of CPU on line 2" in result.output
    assert rows(result)["loss"][0] == "2"
