"""The bar chart that README shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

OURS, THEIRS = "#0b6e4f", "#b8c4bb"


def draw(seconds: Mapping[str, float], file: Path) -> None:
    """Writes a bar for each tool, the quickest on top; the same figures give the same bytes."""
    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "waypost"
    names = sorted(seconds, key=lambda name: -seconds[name])
    figure, axes = plt.subplots(figsize=(8, 3.2))
    colors = [OURS if name == "Waypost" else THEIRS for name in names]
    bars = axes.barh(names, [seconds[name] for name in names], color=colors)
    axes.bar_label(bars, [f"{seconds[name]:.1f} s" for name in names], padding=4)
    axes.set_xlim(0, max(seconds.values()) * 1.12)
    axes.set_title("six steps, nothing cached; Waypost and MLflow Projects also track each step", loc="left")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
