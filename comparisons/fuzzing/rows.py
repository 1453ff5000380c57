"""A row of an adapter's table as the text of a program that needs no adapter: cut out of its source, with all that it names."""

import ast
import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

FUNCTIONS = (ast.FunctionDef, ast.ClassDef)


def has_row(module: str, table: str, name: str) -> bool:
    """Whether an adapter's module has such a table with such a row."""
    return name in getattr(importlib.import_module(module), table, {})


def row_source(module: str, table: str, name: str, *, called: str = "row", part: int | None = None) -> str:
    """`called = ...`, and before it the functions, classes and constants of the module that it needs.

    `part` takes that argument of the row's call, such as the first one of `OptimizerRow(make, slots)`.
    """
    found = importlib.import_module(module)
    tree = ast.parse(inspect.getsource(found))
    own = dict(_definitions(tree))
    expression = _row(own[table], name)
    if part is not None and isinstance(expression, ast.Call):
        expression = expression.args[part]
    needed: dict[str, ast.stmt] = {}
    _gather(expression, own, needed)
    definitions = [ast.unparse(_bare(statement)) for statement in needed.values()]
    gap = "\n\n\n" if any(isinstance(statement, FUNCTIONS) for statement in needed.values()) else "\n"
    return gap.join([*definitions, f"{called} = {ast.unparse(_bare(expression))}"])


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for node in tree.body:
        if isinstance(node, FUNCTIONS):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node


def _row(table: ast.stmt, name: str) -> ast.expr:
    """The value at that key of a dictionary; one that no key names comes from the comprehension in it."""
    value = getattr(table, "value", None)
    assert isinstance(value, ast.Dict), "tables of adapters are written as dictionaries"
    pairs = list(zip(value.keys, value.values, strict=True))
    for key, row in reversed(pairs):
        if isinstance(key, ast.Constant) and key.value == name:
            return row
    for key, rows in pairs:
        if key is None and isinstance(rows, ast.DictComp) and isinstance(rows.generators[0].target, ast.Name):
            changed = _Named(rows.generators[0].target.id, name).visit(rows.value)
            assert isinstance(changed, ast.expr)
            return changed
    raise LookupError(f"there is no row for {name}")


class _Named(ast.NodeTransformer):
    """A variable replaced by a name: `getattr(keras.activations, name)` becomes `keras.activations.relu`."""

    def __init__(self, variable: str, name: str) -> None:
        self.variable, self.name = variable, name

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            return ast.Attribute(node.args[0], self.name, ast.Load())
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(self.name) if node.id == self.variable else node


def _gather(part: ast.AST, own: Mapping[str, ast.stmt], needed: dict[str, ast.stmt]) -> None:
    """Put what a part of the module names into `needed`, what it depends on before it."""
    bare = _bare(part)
    for node in ast.walk(bare):
        if isinstance(node, ast.Name) and node.id in own and node.id not in needed and own[node.id] is not part:
            _gather(own[node.id], own, needed)
            needed[node.id] = own[node.id]


def _bare(part: Any) -> Any:
    """Without annotations, docstrings, and refusals of settings, which need names that a program does not have."""
    return ast.fix_missing_locations(_Bare().visit(ast.parse(ast.unparse(part)).body[0]))


class _Bare(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return ast.Assign([node.target], node.value, lineno=node.lineno) if node.value else None

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        return None if isinstance(node.body[0], ast.Raise) and not node.orelse else node

    def visit_Expr(self, node: ast.Expr) -> Any:
        self.generic_visit(node)
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node
