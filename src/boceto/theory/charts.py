"""The look of the charts: data green, generated orange, D red, G blue, theory grey, as on every page."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from boceto.reporting.figures import GRID, INK
from boceto.theory.divergences import Values
from boceto.theory.mixtures import Mixture

D, G, REAL, FAKE = "#c6493b", "#2f6fb0", "#2e8b63", "#d08a1e"
OTHER, SOFT = "#7a6bb0", "#8a8494"
_DOUBT = LinearSegmentedColormap.from_list("doubt", ["#efc98a", "#ffffff", "#9fd3ba"])  # generated, undecided, real


def chart(columns: int = 1, rows: int = 1, *, size: tuple[float, float] = (4.2, 3.1)) -> tuple[Figure, list[Axes]]:
    """A figure of so many charts, each of that size in inches, and the charts row by row."""
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained", dpi=144)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for one in axes:
        one.grid(color=GRID, linewidth=0.6)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def legend(axes: Axes, columns: int = 2) -> None:
    """Its names above a chart."""
    axes.legend(frameon=False, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9, columnspacing=1.2)


def board(axes: Axes, mixture: Mixture, points: Tensor, reach: float, says: Values | None = None) -> None:
    """The square from -reach to reach: rings at the centres, points (N, 2), and what D ``says``, (n, n) in [0, 1].

    From white at ½ the colours go as far as D does.
    """
    if says is not None:
        side, far = np.linspace(-reach, reach, len(says)), max(float(np.abs(says - 0.5).max()), 1e-3)
        axes.contourf(side, side, says, levels=np.linspace(0.5 - far, 0.5 + far, 12), cmap=_DOUBT, extend="both")
    axes.plot(*mixture.centres.T.numpy(), "o", markerfacecolor="none", color=REAL, markersize=7)
    axes.scatter(points[:, 0].numpy(), points[:, 1].numpy(), s=3, color=FAKE, linewidths=0, rasterized=True, zorder=3)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(GRID)


def note(axes: Axes, x: float, y: float, text: str, colour: str = INK) -> None:
    """A remark in a chart."""
    axes.text(x, y, text, fontsize=9, color=colour)
