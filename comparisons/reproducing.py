"""The ledger's reproducers against the frameworks that are installed: each in a fresh Python process, on the CPU.

An entry says what its reproducer prints. Run here, it prints the same, or something else, and then that framework has
changed, or is not the version that the entry was measured with.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from comparisons.ledger import Difference

TIMEOUT = 120.0
"""Seconds for one reproducer. Loading TensorFlow takes most of them: 6 where the disk is warm, a minute where it is not."""
AT_ONCE = 4
"""Processes at a time, at most: one that loads three frameworks takes a gigabyte of memory."""
State = Literal["same", "differs", "late", "skipped"]
Progress = Callable[[int, int], None]

_DEFAULTS = {
    "KERAS_BACKEND": "tensorflow",
    "JAX_ENABLE_X64": "0",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONWARNINGS": "",
    "PYTHONIOENCODING": "utf-8",
}
"""An entry is about what a framework does by default, so a user's own settings of these do not count."""


@dataclass(frozen=True)
class Outcome:
    """What became of one reproducer."""

    name: str
    state: State
    printed: str = ""
    reason: str = ""
    """Why it was skipped, why it was late, or with what exception it ended."""


@dataclass
class Reproduced:
    """The outcomes by entry, in the order of the entries, and the versions that they are about."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def names(self, state: State) -> list[str]:
        """The entries that came out so."""
        return [name for name, outcome in self.outcomes.items() if outcome.state == state]


def modules(reproducer: str) -> list[str]:
    """The top-level modules that a reproducer imports, without those of the standard library."""
    found: list[str] = []
    for node in ast.walk(ast.parse(reproducer)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return [name for name in dict.fromkeys(name.split(".")[0] for name in found) if name not in sys.stdlib_module_names]


def prints_the_same(entry: Difference, printed: str) -> bool:
    """Whether that is what the entry says; blank lines around it and spaces at line ends do not count."""
    return _lines(printed) == _lines(entry.prints)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def reproduce(entry: Difference, timeout: float = TIMEOUT) -> Outcome:
    """Run one reproducer in a process of its own, which sees neither the current folder nor the user's settings."""
    missing = [name for name in modules(entry.reproducer) if find_spec(name) is None]
    if missing:
        return Outcome(
            entry.name, "skipped", reason=f"{' and '.join(missing)} cannot be found: pip install {' '.join(missing)}"
        )
    with tempfile.TemporaryDirectory(prefix="backproof-", ignore_cleanup_errors=True) as folder:
        # A file and not `-c`, because `tf.function` reads the source of what it traces.
        program = Path(folder) / f"{entry.name}.py"
        program.write_text(entry.reproducer, encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(program)],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
                env=os.environ | _DEFAULTS | dict.fromkeys(("KERAS_HOME", "MPLCONFIGDIR"), folder),
            )
        except subprocess.TimeoutExpired:
            return Outcome(entry.name, "late", reason=f"it did not end within {timeout:g} s")
    if done.returncode == 0:
        return Outcome(entry.name, "same" if prints_the_same(entry, done.stdout) else "differs", done.stdout.strip("\n"))
    said = (done.stderr.strip().splitlines() or [f"it ended with exit code {done.returncode}"])[-1]
    if re.fullmatch(r"ModuleNotFoundError: No module named '\w+'", said):  # Keras may be there without its TensorFlow
        return Outcome(entry.name, "skipped", reason=said)
    return Outcome(entry.name, "differs", done.stdout.strip("\n"), said)


def reproduce_all(entries: Iterable[Difference], *, timeout: float = TIMEOUT, progress: Progress | None = None) -> Reproduced:
    """Run the reproducers of all entries, several at a time. Ctrl-C keeps what was done."""
    tell = progress or (lambda *_: None)
    entries = list(entries)
    result, done = Reproduced(), dict[str, Outcome]()
    with ThreadPoolExecutor(min(os.cpu_count() or 1, AT_ONCE)) as pool:
        running = [pool.submit(reproduce, entry, timeout) for entry in entries]
        try:
            tell(0, len(entries))
            for future in as_completed(running):
                outcome = future.result()
                done[outcome.name] = outcome
                tell(len(done), len(entries))
        except KeyboardInterrupt:
            result.interrupted = True
            pool.shutdown(cancel_futures=True)
    result.outcomes = {entry.name: done[entry.name] for entry in entries if entry.name in done}
    ran = [entry for entry in entries if entry.name in done and done[entry.name].state != "skipped"]
    result.versions = _versions(sorted({name for entry in ran for name in modules(entry.reproducer)}))
    return result


def _versions(names: list[str]) -> dict[str, str]:
    found = {}
    for name in [*names, *(["tensorflow"] if "keras" in names and "tensorflow" not in names else [])]:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # installed under another name, as tensorflow-cpu is
            found[name] = "of an unknown version"
    return found
