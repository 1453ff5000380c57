"""`backproof recipes`: what can be trained as it stands."""

from typing import Annotated

import typer

from backproof.commands.common import fail, message_console, print_json, result_console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Examples:\n\n"
        "backproof recipes\n\n"
        "backproof recipes 004-three-or-eight > mine.toml   [dim]# to change it, then backproof train mine.toml[/dim]\n\n"
        "backproof recipes mine.toml   [dim]# is it a valid one?[/dim]\n\n"
        "Exit code 0: shown. 2: there is no such recipe, or it is not valid."
    )(recipes)


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A built-in recipe, or a TOML file: checked and printed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: every entry, defaults too.")] = False,
) -> None:
    """List the built-in recipes, or print one."""
    from pathlib import Path

    from comparisons.recipe import RecipeError, built_in_recipes, load_recipe
    from reports.training_terminal import show_recipes

    messages = message_console()
    built_in = built_in_recipes()
    try:
        chosen = {each: load_recipe(each) for each in (built_in if name is None else [name])}
    except RecipeError as error:
        fail(messages, str(error))
    if as_json:
        tables = {each: recipe.model_dump(mode="json") for each, recipe in chosen.items()}
        print_json(tables if name is None else tables[name])
    elif name is None:
        show_recipes(chosen, result_console())
    else:
        print(built_in.get(name, Path(name)).read_text(encoding="utf-8"), end="")
