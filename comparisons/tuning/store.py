"""What a sweep has done, in a file that only grows: a line per task, on the disk before the task counts as done."""

import json
import os
from pathlib import Path
from typing import Any

from comparisons.tuning.tasks import Row

FILE = "runs.jsonl"


class TuneError(Exception):
    """The sweep cannot go on. The message says what is wrong and what to do."""


class Store:
    """The finished tasks in a folder. A line that a kill cut short is ignored, and overwritten by the next one.

    The first line tells whose runs they are: `identity`, all that decides their numbers. Raises TuneError for a folder that holds
    another sweep or that cannot be written.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.path = folder / FILE
        self.done: dict[int, list[Row]] = {}
        header = json.dumps(identity, sort_keys=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            content = self.path.read_bytes() if self.path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            lines = whole.decode("utf-8", errors="replace").splitlines()
            if lines and lines[0] != header:
                raise TuneError(
                    f"{self.path}: it holds another sweep{_difference(lines[0], identity)}. Choose another folder with --out, or "
                    "remove this one."
                )
            self._file = self.path.open("r+b" if self.path.exists() else "w+b")
            self._file.truncate(len(whole))
            self._file.seek(len(whole))
        except OSError as error:
            raise TuneError(f"{folder} cannot be used: {error.strerror}. Choose another folder with --out.") from error
        for line in lines[1:]:
            record = json.loads(line)
            self.done[record["task"]] = record["runs"]
        if not lines:
            self._append(header)

    def save(self, task: int, rows: list[Row]) -> None:
        """Write down what a task gave. When this returns, it outlives a kill and a power cut."""
        try:
            self._append(json.dumps({"task": task, "runs": rows}))
        except OSError as error:
            raise TuneError(
                f"{self.path} cannot be written any more: {error.strerror}. Make room there; the same command then goes on."
            ) from error
        self.done[task] = rows

    def close(self) -> None:
        """No more will be written."""
        self._file.close()

    def _append(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _difference(line: str, identity: dict[str, Any]) -> str:
    """In what the sweep there differs, as a clause."""
    try:
        there = json.loads(line)
        keys = [key for key in identity if there.get(key) != identity[key]]
    except (ValueError, AttributeError):
        return ", or something else"
    return f" (its {', '.join(keys)} differ{'s' if len(keys) == 1 else ''})" if keys else ""
