"""Draws the CPU time of each case, readable on a light and on a dark background."""

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.cases import CASES, Case
from benchmarks.report import CHART
from benchmarks.results import Results
from benchmarks.servers import SERVERS

TEXT = "#797979"  # has the same contrast, 4.3, to white and to the dark background of GitHub
OURS, OTHERS = "#2f81f7", "#9a8c7a"
STYLE = {
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "performance",  # the same results draw the same file
    "text.color": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "axes.titlecolor": TEXT,
}


def draw(results: Results) -> None:
    """Write one SVG with a panel for each case, and a bar in it for each server."""
    mpl.use("svg")
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(CASES), sharey=True, figsize=(11, 3.2), layout="constrained")
        for panel, case in zip(panels, CASES, strict=True):
            draw_case(panel, results, case)
        panels[0].invert_yaxis()
        figure.supxlabel("CPU microseconds for a request; less is better", color=TEXT, fontsize=10)
        CHART.parent.mkdir(exist_ok=True)
        figure.savefig(CHART, transparent=True, metadata={"Date": None})
        plt.close(figure)


def draw_case(panel: plt.Axes, results: Results, case: Case) -> None:
    names = [server.name for server in SERVERS]
    medians = [results.median(name, case.name, "microseconds") or 0.0 for name in names]
    bars = panel.barh(names, medians, color=[OURS if server.is_ours else OTHERS for server in SERVERS])
    panel.bar_label(bars, fmt="{:,.0f}", padding=3, color=TEXT)
    panel.set_title(case.name)
    panel.margins(x=0.35)
    panel.tick_params(length=0, labelbottom=False)
    panel.spines[:].set_visible(False)
