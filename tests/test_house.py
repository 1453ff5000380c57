"""The house: which way imports point, what stays unloaded, and what the front door says about strangers."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import backproof

HOUSE = Path(backproof.__file__).resolve().parent.parent
ROOMS = ["scratch", "backends", "comparisons", "reports", "backproof"]
FRAMEWORKS = ("torch", "tensorflow", "keras", "jax")


def imports(path):
    """(module, whether at the top level) of every import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) in top


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room):
    allowed = ROOMS[: ROOMS.index(room) + 1]
    for path in (HOUSE / room).rglob("*.py"):
        for module, _ in imports(path):
            first = module.split(".")[0]
            assert first not in ROOMS or first in allowed, f"{path.name} imports {module}"


def test_scratch_stands_on_numpy_and_the_standard_library():
    for path in (HOUSE / "scratch").rglob("*.py"):
        for module, _ in imports(path):
            first = module.split(".")[0]
            assert first in ("numpy", "scratch") or first in sys.stdlib_module_names, f"{path.name} imports {module}"


def test_frameworks_are_imported_in_their_own_adapter_only():
    homes = {
        "torch": ("on_torch", "witness_torch.py"),
        "tensorflow": ("on_keras", "witness_tensorflow.py"),
        "keras": ("on_keras",),
        "jax": ("on_jax", "witness_jax.py"),
        "optax": ("on_jax",),
    }
    for room in ROOMS:
        for path in (HOUSE / room).rglob("*.py"):
            for module, top in imports(path):
                first = module.split(".")[0]
                if first in FRAMEWORKS and not (path.name == "datasets.py" and not top):
                    assert {path.name, path.parent.name} & set(homes[first]), f"{path.name} imports {module}"
            assert path.stem not in FRAMEWORKS


def run(code, *arguments, **kwargs):
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


def test_neither_the_import_nor_help_loads_a_framework():
    code = f"""
import sys, backproof
assert backproof.judge({{"float32": 1e-7, "float64": 1e-16}}).verdict == "rounding"
from backproof.cli import main
sys.argv = ["backproof", "--help"]
try:
    main()
except SystemExit as done:
    assert done.code == 0
    loaded = [name for name in {FRAMEWORKS!r} if name in sys.modules]
    sys.exit(f"loaded {{loaded}}" if loaded else 0)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout


def test_loading_the_backends_writes_nothing_into_the_home_and_nothing_on_the_terminal(tmp_path):
    code = "from backends import load_backend; [load_backend(name) for name in ('numpy', 'torch', 'keras')]"
    environment = {key: value for key, value in os.environ.items() if key not in ("KERAS_HOME", "MPLCONFIGDIR")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment | {"HOME": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_the_public_names_are_there():
    for name in backproof.__all__:
        assert getattr(backproof, name) is not None
        assert name in dir(backproof)
    with pytest.raises(AttributeError, match="It has: Check, Comparison"):
        _ = backproof.nothing


def test_a_stranger_in_the_house_is_named(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "__init__.py").write_text("raise RuntimeError('a foreign module was run')")
    assert run("import backproof.pytest_plugin", cwd=tmp_path).returncode == 0  # pytest's runs there are not disturbed
    done = run("import backproof; backproof.judge", cwd=tmp_path)
    assert done.returncode == 1
    assert "needs its own package 'reports'" in done.stderr
    assert str(tmp_path / "reports") in done.stderr
    assert "a foreign module was run" not in done.stderr


def test_the_readmes_example_of_a_gradient_of_ones_own():
    blocks = (HOUSE / "README.md").read_text(encoding="utf-8").split("```python\n")[1:]
    example = next(block.split("```")[0] for block in blocks if "def gradient" in block)
    for code, verdict in ((example, "rounding"), (example.replace("np.exp(-x)", "np.exp(x)"), "wrong")):
        done = run(code)
        assert done.stdout.strip() == verdict, done.stderr


def test_no_tool_machine_path_or_registry_is_named():
    """The project must not depend on where it was made."""
    tracked = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    forbidden = ["/wo" + "rk/", ".li" + "brary", "/opt/" + "pypi", "pypi" + ".org", "download." + "pytorch"]
    for name in tracked.stdout.splitlines():
        path = HOUSE / name
        if not path.is_file() or path.name == "plotly.min.js" or path.suffix == ".png":
            continue
        text = path.read_text(encoding="utf-8")
        assert not [word for word in forbidden if word in text], name
        assert name == ".ci/run" or ".." + "/shared" not in text, name
