"""What is wrong with a recipe, in one line: the file, the entry, the allowed values and the nearest right spelling."""

import difflib
import json
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError


class RecipeError(Exception):
    """The recipe cannot be used. The message says where, what is wrong and what would be right."""


SHAPES = {
    "tuple_type": "a list in square brackets, such as [32]",
    "too_short": "a longer list",
    "dict_type": 'a table, such as { name = "..." }',
    "model_type": 'a table, such as { name = "..." }',
    "model_attributes_type": 'a table, such as { name = "..." }',
}
"""What pydantic's types of errors about lists and tables mean in a TOML file."""


USUAL = {
    "lr": "learning_rate",
    "eps": "epsilon",
    "mse": "mean_squared_error",
    "bce": "binary_cross_entropy",
    "cross_entropy": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
}
"""What people call things elsewhere, where that is spelt too differently to be near."""


def explain(file: str, root: type[BaseModel], error: ValidationError, prefix: str = "") -> str:
    """The first problem as one line with its path; the number of further ones after it."""
    details = error.errors()
    first = details[0]
    location = [str(part) for part in first["loc"]]
    where = prefix + ".".join(location)
    if first["type"] == "extra_forbidden":
        allowed = list(_table_at(root, location[:-1]).model_fields)
        message = f"there is no such entry{nearest(location[-1], allowed)} Allowed: {', '.join(allowed)}."
    elif first["type"] == "literal_error":
        allowed = [part.strip("' ") for part in first["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        given = json.dumps(first["input"], default=str)
        message = f"{given} is not known{nearest(str(first['input']), allowed)} Allowed: {', '.join(allowed)}."
    elif first["type"] in SHAPES:
        given = json.dumps(first["input"], default=str)
        message = f"{given} does not fit; it should be {SHAPES[first['type']]}."
        if location == ["phases"]:
            message = "it should be a list of tables. Write [[phases]] over each of them."
    else:
        reason = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        if first["type"] == "less_than_equal":
            reason = f"at most {first['ctx']['le']:g}"
        given = json.dumps(first["input"], default=str)
        kind = "" if first["type"] == "value_error" else f"{given} does not fit; it should be "
        message = f"{kind}{reason}".rstrip(".") + "."
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{file}: {where}: {message}{more}" if where else f"{file}: {message}{more}"


def nearest(word: str, allowed: Sequence[str]) -> str:
    """A question with the nearest right spelling, or a full stop."""
    meant = USUAL.get(word.lower())
    close = [meant] if meant in allowed else difflib.get_close_matches(word.lower(), allowed, n=1)
    return f'; did you mean "{close[0]}"?' if close else "."


def _table_at(root: type[BaseModel], location: Sequence[str]) -> type[BaseModel]:
    """The table that a path leads to; whole numbers in it count through a list of tables."""
    table: Any = root
    for part in location:
        if not part.isdigit():
            table = table.model_fields[part].annotation
        while not (isinstance(table, type) and issubclass(table, BaseModel)):  # Table | None, tuple[Table, ...]
            inside = [each for each in typing.get_args(table) if each is not type(None) and each is not Ellipsis]
            if not inside:
                break
            table = inside[0]
    found: type[BaseModel] = table
    return found
