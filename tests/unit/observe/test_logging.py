"""What must not be read in a log."""

from __future__ import annotations

import pytest

from pegbox.observe.logging import hide_secrets


@pytest.mark.parametrize(
    "text, hidden",
    [
        ("postgresql+psycopg://me:hunter2@db/pegbox", "hunter2"),
        ("GET /b/k?X-Amz-Signature=0123abcd&X-Amz-Date=1", "0123abcd"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=AKIA/1/s3, Signature=0123abcd", "0123abcd"),
        ("{'Authorization': 'Basic aHVudGVyMg=='}", "aHVudGVyMg=="),
        ("aws_secret_access_key = hunter2", "hunter2"),
        ("host=db user=me password=hunter2 dbname=x", "hunter2"),
    ],
)
def test_secrets_in_texts_are_hidden(text: str, hidden: str) -> None:
    told = hide_secrets(None, "", {"event": text})["event"]
    assert hidden in text
    assert hidden not in told
    assert "***" in told


@pytest.mark.parametrize("text", ["http://127.0.0.1:8420", "s3://bucket/key:with@signs", "loss=0.1; at 10:20"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert hide_secrets(None, "", {"event": text, "number": 1}) == {"event": text, "number": 1}
