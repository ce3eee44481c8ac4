"""Command `receipt pdf`: a receipt as the buyer has it, for the person who asks for it.

A receipt holds name and address of its buyer: it goes to the named file and nowhere else.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from otto_pipelines.commands.opening import console, errors, explained, model, settings
from resources.bindings import open_otto

app = typer.Typer(no_args_is_help=True, help="Receipts of OTTO.")


@app.callback()
def receipts() -> None:
    """Receipts of OTTO."""


@app.command()
def pdf(
    number: Annotated[str, typer.Argument(help="Receipt number, as R-DE-0000000001.")],
    to: Annotated[Path, typer.Option(help="A new file; only its owner may read it.")],
) -> None:
    """Save a receipt as PDF. It holds personal data: delete it when you are done."""
    with explained(), open_otto(settings(), model()) as otto:
        content = otto.receipts.pdf(number)
    try:
        # Made by us and nobody else, so that no other person's rights stay on it.
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        errors.print(
            f"[red]cannot write {to}:[/red] {error.strerror}; name a new file in a folder of yours",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(2) from error
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    console.print(f"receipt {number} is in {to}; delete it when you are done", soft_wrap=True)
