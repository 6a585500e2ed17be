"""The demo's data set."""

from __future__ import annotations

import numpy as np

from pegbox import data


def test_files_are_the_data_set_label_first() -> None:
    assert set(data.files()) == {"train", "validation"}
    tables = {name: np.loadtxt(path, delimiter=",") for name, path in data.files().items()}
    assert {name: table.shape for name, table in tables.items()} == {"train": (341, 31), "validation": (228, 31)}
    whole = np.concatenate(list(tables.values()))
    assert len(np.unique(whole, axis=0)) == 569  # no row is in both
    assert np.bincount(whole[:, 0].astype(int)).tolist() == [212, 357]
    shares = [table[:, 0].mean() for table in tables.values()]
    assert abs(shares[0] - shares[1]) < 0.01


def test_the_licence_stands_beside_the_files() -> None:
    text = (data.files()["train"].parent / "README.md").read_text()
    assert "CC BY 4.0" in text
    assert "10.24432/C5DW2B" in text
