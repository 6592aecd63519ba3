"""The bar charts that README shows."""

from __future__ import annotations

from collections.abc import Mapping
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
