"""What a sweep has done, in a file that only grows: a line per task, on the disk before the task counts as done."""

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from comparisons.tuning.tasks import Row

FILE = "runs.jsonl"


class TuneError(Exception):
    """The sweep cannot go on. The message says what is wrong and what to do."""


class Store:
    """The finished tasks in a folder. What follows the last good line, cut short by a kill or damaged by a power cut, is removed.

    The first line tells whose runs they are: `identity`, all that decides their numbers. Raises TuneError for a folder that holds
    another sweep, that another process is writing to, or that cannot be written.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.path = folder / FILE
        self.done: dict[int, list[Row]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
            try:
                _lock(self._file, self.path)
                self._read(json.dumps(identity, sort_keys=True), identity)
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise TuneError(f"{folder} cannot be used: {error.strerror}. Choose another folder with --out.") from error

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

    def _read(self, header: str, identity: dict[str, Any]) -> None:
        """The tasks up to the first line that is none, where the file is cut; a new file gets its header."""
        self._file.seek(0)
        lines = self._file.read().split(b"\n")[:-1]
        if lines and lines[0] != header.encode():
            raise TuneError(
                f"{self.path}: it holds another sweep{_difference(lines[0], identity)}. Choose another folder with --out, or "
                "remove this one."
            )
        size = sum(len(line) + 1 for line in lines[:1])
        for line in lines[1:]:
            try:
                record = json.loads(line)
                self.done[record["task"]] = record["runs"]
            except (ValueError, KeyError, TypeError):
                break
            size += len(line) + 1
        self._file.truncate(size)
        if not lines:
            self._append(header)

    def _append(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _lock(file: IO[bytes], path: Path) -> None:
    """Keep the file from other processes until it is closed or this one ends; two would do, and count, the same tasks."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TuneError(
                f"{path}: another sweep is writing to it right now. Wait until that one ends, or choose another folder with --out."
            ) from error


def _difference(line: bytes, identity: dict[str, Any]) -> str:
    """In what the sweep there differs, as a clause."""
    try:
        there = json.loads(line)
        keys = [key for key in identity if there.get(key) != identity[key]]
    except (ValueError, AttributeError):
        return ", or something else"
    return f" (its {', '.join(keys)} differ{'s' if len(keys) == 1 else ''})" if keys else ""
