"""Tables on the terminal."""

from collections.abc import Sequence

import typer


def show(title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table on the terminal, or one line where there is nothing; brackets in cells are mere brackets."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        typer.echo(f"{title}: none")
        return
    table = Table(title=Text(title, style="italic"), title_justify="left")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
