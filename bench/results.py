"""What every bench leaves: a table, a JSON file, a plot, and its goals."""

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent / "results"
_console = Console(width=140)


class Goal(Struct, frozen=True):
    """A number and the least (or, with `at_most`, the most) it should be."""

    name: str
    measured: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the number is on the right side."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    def __str__(self) -> str:
        """The line that is printed."""
        return f"goal {self.name} measured {self.measured:.2f} wanted {'<=' if self.at_most else '>='}{self.wanted:g}"


def left_out(name: str, why: str) -> bool:
    """Says that a bench did not run, and what it needs. No goal is missed by that."""
    _console.print(f"{name} is left out: {why}", highlight=False)
    return True


def publish(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], goals: Sequence[Goal], *, bars: str = ""
) -> bool:
    """Prints and writes everything; `bars` names the column to plot. Whether all goals are met."""
    table = Table(*columns, title=name)
    for row in rows:
        table.add_row(*(f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row))
    _console.print(table)
    FOLDER.mkdir(exist_ok=True)
    figures = {"machine": platform.machine(), "python": platform.python_version()}
    data = figures | {"columns": list(columns), "rows": [list(row) for row in rows], "goals": [str(g) for g in goals]}
    (FOLDER / f"{name}.json").write_text(json.dumps(data, indent=1))
    if bars:
        import pygal  # here, since it hooks into all later imports, by a way that Python has deprecated

        chart = pygal.HorizontalBar(title=f"{name}: {bars}", show_legend=False, height=120 + 28 * len(rows))
        chart.x_labels = [str(row[0]) for row in rows]
        chart.add(bars, [row[list(columns).index(bars)] for row in rows])
        chart.render_to_file(str(FOLDER / f"{name}.svg"))
    for goal in goals:
        _console.print(str(goal), highlight=False)
    return all(goal.met for goal in goals)


def publish_curves(name: str, x: str, y: str, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draws lines into NAME.svg."""
    import pygal  # see above

    FOLDER.mkdir(exist_ok=True)
    chart = pygal.XY(title=f"{name}: {y}", x_title=x, y_title=y, show_dots=False, width=1000, range=(0, 80))
    for label, points in curves.items():
        chart.add(label, list(points))
    chart.render_to_file(str(FOLDER / f"{name}.svg"))


def publish_steps(name: str, steps: Sequence[tuple[str, float, float]]) -> None:
    """Draws steps (name, begin and end in seconds) below one another into NAME.svg, the first on top."""
    import pygal  # see above

    FOLDER.mkdir(exist_ok=True)
    last_first = steps[::-1]
    chart = pygal.HorizontalStackedBar(
        title=f"{name}: seconds", show_legend=False, width=1000, height=120 + 28 * len(steps), margin_right=40
    )
    chart.x_labels = [label for label, _, _ in last_first]
    chart.add("begin", [{"value": begin, "color": "transparent"} for _, begin, _ in last_first])
    chart.add("seconds", [round(end - begin, 3) for _, begin, end in last_first])
    chart.render_to_file(str(FOLDER / f"{name}.svg"))
