"""`progress=True` → a bar on standard error, or in a notebook (which needs ipywidgets for it); gone at its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@contextmanager
def counted(what: str, shown: bool, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that is told (done, in all), from any thread, and moves a bar if `shown`.

    Args:
        what: written beside the bar.
        console: where the bar is drawn; None: standard error, or the notebook.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = console or Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not shown) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
