"""Where a setting comes from, and what is no setting."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegbox.settings import Settings, SettingsError, load, unknown_variables

Write = Callable[[str], Path]


@pytest.fixture
def file(tmp_path: Path) -> Write:
    """Writes pegbox.toml; returns its home."""

    def write(text: str) -> Path:
        (tmp_path / "pegbox.toml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_the_command_line_goes_before_the_environment_before_the_file_before_the_default(file: Write) -> None:
    home = file("port = 3")
    assert load({"home": home, "port": 1}, {"PEGBOX_PORT": "2"}).port == 1
    assert load({"home": home, "port": None}, {"PEGBOX_PORT": "2"}).port == 2
    assert load({"home": home}, {"PEGBOX_PORT": ""}).port == 3
    file("")
    assert load({"home": home}, {}).port == 8420


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert load({"home": tmp_path}, {}) == Settings(home=tmp_path)


def test_a_false_on_the_command_line_is_given(file: Write) -> None:
    assert load({"home": file("auth = true"), "auth": False}, {"PEGBOX_AUTH": "on"}).auth is False


def test_the_file_is_looked_for_in_the_home_of_the_environment(file: Write) -> None:
    home = file("region = 'eu-west-1'")
    found = load({}, {"PEGBOX_HOME": str(home)})
    assert (found.home, found.region) == (home, "eu-west-1")


def test_the_process_environment_is_the_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEGBOX_REGION", "eu-north-1")
    assert load({"home": tmp_path}).region == "eu-north-1"


@pytest.mark.parametrize("given", [True, False])
def test_a_tilde_is_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = load({"home": Path("~/box")}, {}) if given else load({}, {"PEGBOX_HOME": "~/box"})
    assert found.home == tmp_path / "box"
    assert found.database == f"sqlite:///{tmp_path}/box/pegbox.db"


def test_a_home_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({"home": Path("box")}, {}).home == tmp_path / "box"


@pytest.mark.parametrize("text", ["on", "ON", "true", "True", "1", "yes"])
def test_on(file: Write, text: str) -> None:
    assert load({"home": file("auth = false")}, {"PEGBOX_AUTH": text}).auth is True
    assert load({"home": file(f"auth = {text!r}")}, {}).auth is True


@pytest.mark.parametrize("text", ["off", "Off", "false", "0", "no"])
def test_off(file: Write, text: str) -> None:
    assert load({"home": file("auth = true")}, {"PEGBOX_AUTH": text}).auth is False
    assert load({"home": file(f"auth = {text!r}")}, {}).auth is False


def test_values_of_the_file_become_the_settings_type(file: Write) -> None:
    found = load({"home": file("tick = 2\naccount_id = 123456789012\nslots = '3'\nhost = '::1'")}, {})
    assert (found.tick, found.account_id, found.slots, found.host) == (2.0, "123456789012", 3, "::1")
    assert isinstance(found.tick, float)


def test_an_unknown_key_is_named_with_the_known_ones(file: Write) -> None:
    home = file("prot = 1")
    with pytest.raises(SettingsError) as error:
        load({"home": home}, {})
    assert str(error.value).startswith(f"{home}/pegbox.toml: unknown setting 'prot'; known are account_id, auth, ")


def test_the_home_is_not_read_from_a_file_in_it(file: Write) -> None:
    with pytest.raises(SettingsError, match="unknown setting 'home'"):
        load({"home": file("home = '/elsewhere'")}, {})


def test_a_file_that_is_no_toml_is_named(file: Write) -> None:
    home = file("port 1")
    with pytest.raises(SettingsError, match=f"^{home}/pegbox.toml: "):
        load({"home": home}, {})
    (home / "pegbox.toml").write_bytes(b"region = '\xff'")
    with pytest.raises(SettingsError, match=f"^{home}/pegbox.toml: "):
        load({"home": home}, {})


MISTYPED = [
    ("port", "many", "a whole number"),
    ("port", 1.5, "a whole number"),
    ("port", True, "a whole number"),
    ("slots", "1e3", "a whole number"),
    ("tick", "soon", "a number"),
    ("auth", "perhaps", "on or off"),
    ("auth", 2, "on or off"),
    ("host", ["a"], "text"),
    ("region", False, "text"),
]


@pytest.mark.parametrize(("name", "value", "expected"), MISTYPED)
def test_a_mistyped_value_is_told_with_its_source(file: Write, name: str, value: Any, expected: str) -> None:
    home = file(f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}")
    with pytest.raises(SettingsError) as error:
        load({"home": home}, {})
    assert str(error.value) == f"{home}/pegbox.toml: {name}: {value!r} is not usable; expected {expected}"
    if isinstance(value, str):
        with pytest.raises(SettingsError) as error:
            load({}, {f"PEGBOX_{name.upper()}": value})
        assert str(error.value) == f"PEGBOX_{name.upper()}: {value!r} is not usable; expected {expected}"


NONSENSE = [
    *[("port", port) for port in ("-1", "65536")],
    *[("account_id", account) for account in ("12", "1234567890123", "12345678901a", "١٢٣٤٥٦٧٨٩٠١٢")],
    *[("slots", slots) for slots in ("0", "-4")],
    *[("max_body", size) for size in ("0", "-1", "1023")],
    *[("metric_points", count) for count in ("0", "-1", "999")],
    *[("most_log", size) for size in ("0", "-1", "65535")],
    *[("tick", seconds) for seconds in ("0", "-1", "nan", "inf")],
    *[("lease", seconds) for seconds in ("0", "nan", "inf", "1", "0.5")],
    *[("propose_timeout", seconds) for seconds in ("0", "-1", "nan", "inf")],
    *[("checkpoint_interval", seconds) for seconds in ("0", "-1", "nan", "inf")],
    *[(name, number) for name in ("stop_grace", "upload_days") for number in ("-1", "nan", "inf")],
    ("log_level", "loud"),
    *[("region", region) for region in ("EU", "eu west", "../..", "eu_west_1")],
    *[("database_url", url) for url in ("foo", "mysql://me@here/pegbox", "/var/pegbox.db")],
    *[("database_url", f"postgresql+psycopg://{user}@here/pegbox") for user in ("me:my@word", "m@e")],
    *[("s3_endpoint", url) for url in ("minio:9000", "ftp://minio", "http://", "http://minio:port", "http://[")],
    *[("tuning_days", number) for number in ("0", "-1", "nan", "inf")],
    *[("file_roots", roots) for roots in ("data", "/data:more", "~/data")],
    *[("python", path) for path in ("/nonexistent/python", "/etc/passwd", "/usr", "bin/python", "no-such-python")],
]


@pytest.mark.parametrize(("name", "value"), NONSENSE)
def test_nonsense_is_told_with_its_source(file: Write, name: str, value: str) -> None:
    home = file(f"{name} = '{value}'")
    variable = f"PEGBOX_{name.upper()}"
    for environment, source in (({}, f"{home}/pegbox.toml: {name}"), ({variable: value}, variable)):
        with pytest.raises(SettingsError) as error:
            load({"home": home}, environment)
        message = str(error.value)
        assert message.startswith(f"{name}: ") and message.endswith(f" (from {source})")


def test_a_value_of_the_command_line_is_checked_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^port: 70000 is no port; give 0 to 65535 \(from --port\)$"):
        load({"home": tmp_path, "port": 70000}, {})


def test_what_names_something_outside_may_be_right(tmp_path: Path) -> None:
    given = {
        "PEGBOX_REGION": "eu-west-1",
        "PEGBOX_S3_ENDPOINT": "https://[::1]:9000",
        "PEGBOX_FILE_ROOTS": "/data:/home/me",
        "PEGBOX_PYTHON": sys.executable,
        "PEGBOX_MAX_BODY": "1024",
    }
    assert load({"home": tmp_path}, given).python == sys.executable
    assert load({"home": tmp_path}, given | {"PEGBOX_PYTHON": "sh"}).python == "sh"


def test_the_password_in_a_wrong_database_url_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^database_url: ") as error:
        load({"home": tmp_path}, {"PEGBOX_DATABASE_URL": "postgres://me:secret@here/pegbox"})
    assert "secret" not in str(error.value)
    with pytest.raises(SettingsError, match=r"%40 \(from PEGBOX_DATABASE_URL\)$") as error:
        load({"home": tmp_path}, {"PEGBOX_DATABASE_URL": "postgresql://me:my@secret@here/pegbox?application_name=a@b"})
    assert "secret" not in str(error.value)
    load({"home": tmp_path}, {"PEGBOX_DATABASE_URL": "postgresql://me:my%40word@here/pegbox?application_name=a@b"})


def test_variables_that_are_no_settings_are_named() -> None:
    assert unknown_variables({"PEGBOX_PORT": "1", "PEGBOX_BOGUS": "", "BOGUS": "2"}) == ["PEGBOX_BOGUS"]


def test_no_grace_is_a_grace(tmp_path: Path) -> None:
    assert load({"home": tmp_path}, {"PEGBOX_STOP_GRACE": "0"}).stop_grace == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "0:0:0:0:0:0:0:1"])
def test_loopback_may_go_without_signatures(tmp_path: Path, host: str) -> None:
    assert load({"home": tmp_path, "host": host, "auth": False}, {}).loopback


ELSEWHERE = [
    "localhost.corp.example",
    "localhostess",
    "127.0.0.1.nip.io",
    "127.example.org",
    "::1234",
    "::",
    "0.0.0.0",
    "192.168.0.1",
    "",
]


@pytest.mark.parametrize("host", ELSEWHERE)
def test_what_others_can_reach_may_not(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match=r"^auth off is for loopback only"):
        load({"home": tmp_path, "host": host, "auth": False}, {})
    assert load({"home": tmp_path, "host": host, "auth": True}, {}).auth
