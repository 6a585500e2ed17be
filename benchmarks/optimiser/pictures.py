"""Pictures of results: regret over evaluations, CPU time over observations."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .comparison import mean_regret
from .results import Results

COLUMNS = 3
FIRST = 5  #: evaluations below which nobody has learnt anything


def draw(results: Results, folder: Path) -> None:
    """`regret.png`, a panel for each family of tasks, and `latency.png`."""
    import matplotlib

    matplotlib.use("agg")
    draw_regret(results, folder / "regret.png")
    draw_latency(results, folder / "latency.png")


def draw_regret(results: Results, file: Path) -> None:
    """Means, with intervals of ours."""
    from matplotlib import pyplot

    families = list(results.families)
    rows = -(-len(families) // COLUMNS)
    figure, panels = pyplot.subplots(rows, COLUMNS, figsize=(4.2 * COLUMNS, 3.2 * rows), squeeze=False, sharex=True)
    places = np.unique(np.linspace(FIRST, results.budget, 40).astype(int))
    for panel, family in zip(panels.flat, families, strict=False):
        for index, (name, of_method) in enumerate(sorted(results.of(family).items())):
            found = [mean_regret(of_method, int(place)) for place in places]
            mine = name == results.ours
            (line,) = panel.plot(places, [estimate.mean for estimate in found], **_style(name, index, mine))
            if mine:
                ends = [estimate.low for estimate in found], [estimate.high for estimate in found]
                panel.fill_between(places, *ends, color=line.get_color(), alpha=0.15, linewidth=0)
        panel.set_title(f"{family} ({len(results.families[family])} tasks)")
        panel.set_yscale("symlog", linthresh=0.02)
        panel.set_ylim(bottom=0)
    for panel in panels.flat[len(families) :]:
        panel.axis("off")
    _finish(figure, panels, "evaluations", "normalised regret", file)


def draw_latency(results: Results, file: Path) -> None:
    """Medians, and 95th percentiles as the upper ends of bars."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 1, figsize=(7, 4.5), squeeze=False)
    rows = list(results.latency_rows())
    for index, name in enumerate(sorted(results.searches)):
        mine = [row for row in rows if row["method"] == name]
        places = [row["observations"] for row in mine]
        style = _style(name, index, name == results.ours)
        (line,) = panels[0, 0].plot(places, [1e3 * row["median"] for row in mine], marker="o", **style)
        ends = [1e3 * row["median"] for row in mine], [1e3 * row["p95"] for row in mine]
        panels[0, 0].vlines(places, *ends, color=line.get_color(), linewidth=1, alpha=0.6)
    panels[0, 0].set_xscale("log")
    panels[0, 0].set_yscale("log")
    _finish(figure, panels, "observations", "CPU milliseconds of an ask", file)


def _style(name: str, index: int, mine: bool) -> dict[str, object]:
    if mine:
        return {"label": name, "color": "black", "linewidth": 2.2, "zorder": 3}
    return {"label": name, "color": f"C{index % 10}", "linewidth": 1.1, "linestyle": "-" if index < 10 else "--"}


def _finish(figure, panels, x, y, file) -> None:  # type: ignore[no-untyped-def]
    for panel in panels[-1]:
        panel.set_xlabel(x)
    for panel in panels[:, 0]:
        panel.set_ylabel(y)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.set_layout_engine("constrained")
    figure.savefig(file, dpi=110)
