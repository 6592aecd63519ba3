"""The charts that README and docs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

OURS, THEIRS = "#0b6e4f", "#b8c4bb"


def bars(
    values: Mapping[str, float], file: Path, title: str, form: str, *, is_less_better: bool = False
) -> None:
    """Writes a bar for each tool, the best on top; the same figures give the same bytes."""
    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "waypost"
    names = sorted(values, key=lambda name: values[name], reverse=is_less_better)
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(names) + 0.7))
    colors = [OURS if name.startswith("Waypost") else THEIRS for name in names]
    drawn = axes.barh(names, [values[name] for name in names], color=colors)
    axes.bar_label(drawn, [form.format(values[name]) for name in names], padding=4)
    axes.set_xlim(0, max(values.values()) * 1.12)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def lines(
    panels: Mapping[str, Mapping[str, Sequence[float]]], at: Sequence[float], file: Path, x: str, y: str
) -> None:
    """Writes panels side by side with a line for each series, on axes of powers; the last series is ours, the
    first a bound.
    """
    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "waypost"
    figure, all_axes = plt.subplots(1, len(panels), figsize=(9, 3.4), sharey=True, squeeze=False)
    for axes, (title, series) in zip(all_axes[0], panels.items(), strict=True):
        for place, (name, values) in enumerate(series.items()):
            is_ours = place == len(series) - 1
            color, style = (OURS if is_ours else THEIRS), ("--" if place == 0 else "-")
            axes.plot(at, values, style, color=color, marker="o" if place else "", label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(at, [f"{value:g}" for value in at])
        axes.minorticks_off()
        axes.set_xlabel(x)
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[0][0].set_ylabel(y)
    all_axes[0][0].yaxis.set_major_formatter("{x:g}")
    all_axes[0][0].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
