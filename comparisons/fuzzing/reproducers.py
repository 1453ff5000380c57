"""A finding as a program that imports nothing but the framework: the adapter's own row, cut out of its source."""

import ast
import importlib
import inspect
from types import ModuleType
from typing import Any

import numpy as np

from comparisons.fuzzing.judging import Finding, optimizer_of
from scratch.activations import ACTIVATIONS
from scratch.arrays import Array
from scratch.losses import cases

FRAMEWORKS = {
    "torch": ("backends.on_torch", "import torch\nfrom torch.nn import functional"),
    "keras": ("backends.on_keras", "import keras\nimport tensorflow as tf"),
    "jax": ("backends.on_jax", "import jax\nimport jax.numpy as jnp\nimport optax\nimport optax.contrib"),
}
"""By backend: the package with its rows, and what a program of its own imports."""

ACTIVATION = {
    "torch": """
for dtype in (torch.float32, torch.float64):
    z = torch.tensor(Z, dtype=dtype, requires_grad=True)
    a = row(**SETTINGS)(z)
    a.backward(torch.tensor(COTANGENT, dtype=dtype))
    print(dtype, "value", a.detach().numpy(), "derivative", z.grad.numpy())
""",
    "keras": """
for dtype in ("float32", "float64"):
    z = tf.constant(Z, dtype)
    with tf.GradientTape() as tape:
        tape.watch(z)
        a = row(z, **SETTINGS)
    print(dtype, "value", a.numpy(), "derivative", tape.gradient(a, z, tf.constant(COTANGENT, dtype)).numpy())
""",
    "jax": """
for dtype in ("float32", "float64"):
    with jax.enable_x64(dtype == "float64"):
        a, pull_back = jax.vjp(lambda z: row(z, **SETTINGS), jnp.array(Z, dtype))
        print(dtype, "value", a, "derivative", pull_back(jnp.array(COTANGENT, dtype))[0])
""",
}
OPTIMIZER = {
    "torch": """
for dtype in (torch.float32, torch.float64):
    p = torch.nn.Parameter(torch.tensor(PARAMETERS, dtype=dtype))
    optimizer = make(o, [p])
    for gradient in GRADIENTS:
        p.grad = torch.tensor([gradient], dtype=dtype).T.contiguous()
        optimizer.step()
    print(dtype, p.detach().numpy().ravel())
""",
    "keras": """
for dtype in ("float32", "float64"):
    keras.config.set_floatx(dtype)
    p = keras.Variable(PARAMETERS, dtype=dtype)
    optimizer = make(o, learning_rate=o.learning_rate, weight_decay=o.weight_decay or None)
    for gradient in GRADIENTS:
        optimizer.apply([tf.constant([gradient], dtype)], [p])
    print(dtype, p.numpy())
""",
    "jax": """
for dtype in ("float32", "float64"):
    with jax.enable_x64(dtype == "float64"):
        p = jnp.array(PARAMETERS, dtype)
        optimizer = make(o)
        state = optimizer.init(p)
        for gradient in GRADIENTS:
            updates, state = optimizer.update(jnp.array([gradient], dtype), state, p)
            p = optax.apply_updates(p, updates)
        print(dtype, p)
""",
}


def reproducer(finding: Finding) -> str:
    """The program, with what it should print in a comment."""
    head = [f'"""{finding.signature}."""', ""]
    tail = [
        f"# 34-digit arithmetic says {finding.property} = {finding.expected}",
        *(f"# in {dtype} it was {text}" for dtype, text in finding.found.items()),
        "",
    ]
    if finding.backend not in FRAMEWORKS:
        return "\n".join([*head, *_with_backproof(finding), *tail])
    package, imports = FRAMEWORKS[finding.backend]
    body = {"activation": _activation, "loss": _loss, "optimizer": _optimizer}[finding.case.kind](finding, package)
    return "\n".join([*head, "import numpy as np", imports, "", *body, *tail])


def _activation(finding: Finding, package: str) -> list[str]:
    case = finding.case
    entry = ACTIVATIONS[case.name]
    source = row_source(f"{package}.activations", "ACTIVATIONS", case.name)
    return [
        *_constants(Z=case.arrays["z"], COTANGENT=case.arrays["cotangent"]),
        f"SETTINGS = {dict(entry.settings)}",
        source,
        ACTIVATION[finding.backend],
    ]


def _loss(finding: Finding, package: str) -> list[str]:
    return _with_backproof(finding)


def _optimizer(finding: Finding, package: str) -> list[str]:
    case = finding.case
    optimizer = optimizer_of(case, "paper")
    names = [name for name in vars(optimizer) if not name.startswith("_") and name not in ("convention", "choices")]
    numbers = ", ".join(f"{name}={getattr(optimizer, name)!r}" for name in names)
    return [
        "from types import SimpleNamespace",
        "",
        *_constants(PARAMETERS=case.arrays["parameters"], GRADIENTS=case.arrays["gradients"]),
        f"o = SimpleNamespace({numbers})",
        row_source(f"{package}.optimizers", "OPTIMIZERS", case.name, first_argument=True).replace("row =", "make ="),
        OPTIMIZER[finding.backend],
    ]


def _with_backproof(finding: Finding) -> list[str]:
    """For backends whose rows are not ours, or have no form of their own: the same through backproof."""
    return [
        "from backends import load_backend",
        "from comparisons.fuzzing.judging import results",
        "from comparisons.fuzzing.strategies import Case",
        "",
        f"case = Case.from_dict({finding.case.to_dict()!r})".replace("nan", "float('nan')").replace("inf", "float('inf')"),
        f"backend = load_backend({finding.backend!r})",
        'for dtype in ("float32", "float64"):',
        '    print(dtype, results(case, backend, dtype, backend.convention or "paper"))',
        "",
    ]


def _constants(**arrays: Array) -> list[str]:
    def written(value: Any) -> str:
        if isinstance(value, list):
            return "[" + ", ".join(written(entry) for entry in value) + "]"
        return f"np.{value}" if not np.isfinite(value) else repr(value)

    return [f"{name} = {written(np.asarray(array, dtype=np.float64).tolist())}" for name, array in arrays.items()]


def row_source(module: str, table: str, name: str, *, first_argument: bool = False) -> str:
    """The row of that name in an adapter's table, as a program's text, with the functions of its module that it needs."""
    found = importlib.import_module(module)
    tree = ast.parse(inspect.getsource(found))
    for node in tree.body:
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == table and value is not None:
            expression = _entry(value, name)
            if first_argument and isinstance(expression, ast.Call):
                expression = expression.args[0]
            return "\n\n".join([*_needed(found, tree, expression), f"row = {ast.unparse(expression)}"])
    raise LookupError(f"{module} has no table {table}")


def _entry(value: ast.expr, name: str) -> ast.expr:
    if isinstance(value, ast.Dict):
        for key, row in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == name:
                return row
            if key is None and isinstance(row, ast.DictComp) and name in ast.unparse(row.generators[0].iter):
                return _substituted(row.value, row.generators[0].target, name)
    if isinstance(value, ast.DictComp):
        return _substituted(value.value, value.generators[0].target, name)
    raise LookupError(f"there is no row for {name}")


def _substituted(expression: ast.expr, target: ast.expr, name: str) -> ast.expr:
    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802  (ast's own name)
            return ast.Constant(name) if isinstance(target, ast.Name) and node.id == target.id else node

    changed: ast.expr = Put().visit(expression)
    return changed


def _needed(module: ModuleType, tree: ast.Module, expression: ast.AST, seen: tuple[str, ...] = ()) -> list[str]:
    """Sources of the module's own functions, classes and constants that an expression names, dependencies first."""
    parts: list[str] = []
    own = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            own[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            own[node.targets[0].id] = node
    for name in dict.fromkeys(node.id for node in ast.walk(expression) if isinstance(node, ast.Name)):
        if name in own and name not in seen:
            stripped = _without_annotations(own[name])
            for part in [*_needed(module, tree, stripped, (*seen, name)), ast.unparse(stripped)]:
                if part not in parts:
                    parts.append(part)
    return parts


def _without_annotations(node: ast.AST) -> ast.AST:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef):
            inner.returns = None
        if isinstance(inner, ast.arg):
            inner.annotation = None
    return node
