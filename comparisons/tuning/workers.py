"""Who works on the tasks of a sweep: processes of this machine, or a Dask cluster."""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from threadpoolctl import threadpool_limits

from comparisons.tuning.store import TuneError
from comparisons.tuning.tasks import Row, Task, run_task

Done = Iterator[tuple[Task, list[Row]]]
PATIENCE = 10
"""Seconds to wait for a cluster to answer."""


def on_this_machine(tasks: Sequence[Task], workers: int) -> Done:
    """The tasks as they get done by that many processes; by this one where it is a single worker or task."""
    if workers == 1 or len(tasks) < 2:
        with threadpool_limits(1, user_api="blas"):
            for task in tasks:
                yield task, run_task(task)
        return
    pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=get_context("spawn"), initializer=_one_thread)
    try:
        futures = {pool.submit(run_task, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise TuneError(
            "a worker process died, perhaps for want of memory. What is done is kept; run the same command again, with fewer "
            "--workers."
        ) from error
    finally:
        _end(pool)


def on_a_cluster(tasks: Sequence[Task], address: str) -> Done:
    """The tasks as they get done by the workers of the Dask scheduler at that address.

    A worker that dies costs nothing but time: the scheduler gives its tasks to another one, until more workers than its setting
    `distributed.scheduler.allowed-failures` says have died over one task. A task that raises is not repeated: it would raise again.
    Every worker loads the data itself, by name, and needs backproof installed.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed import as_completed as completed
    except ImportError as error:
        raise TuneError(
            "--cluster needs dask.distributed, which is not installed. Install it with: pip install 'backproof[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise TuneError(
            f"--cluster: no Dask scheduler answers at {address} ({_first_line(error)}). Start one with `dask scheduler`, and give "
            "the address that it prints."
        ) from error
    with client:
        futures = {client.submit(_alone_on_a_thread, task, pure=False, retries=0): task for task in tasks}
        try:
            for future in completed(list(futures), loop=client.loop):
                try:
                    rows = future.result()
                except KilledWorker as error:
                    died = error.allowed_failures + 1
                    raise TuneError(
                        f"{died} worker{'s' if died > 1 else ''} of the cluster died over one task, perhaps for want of memory. What is "
                        "done is kept; see what the workers logged, and run the same command again."
                    ) from error
                except Exception as error:  # whatever a worker of another machine meets
                    raise TuneError(
                        f"a worker of the cluster could not train ({type(error).__name__}: {_first_line(error)}). Check that "
                        "backproof and the data are there in the same versions; what is done is kept."
                    ) from error
                yield futures[future], rows
        finally:
            with contextlib.suppress(Exception):
                client.cancel(list(futures))


def _alone_on_a_thread(task: Task) -> list[Row]:
    with threadpool_limits(1, user_api="blas"):
        return run_task(task)


def _one_thread() -> None:
    """Products on one thread each: two workers are faster than two threads, and the same bits come out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    Thread(target=_end_with_the_parent, daemon=True).start()
    threadpool_limits(1, user_api="blas")


def _end_with_the_parent() -> None:
    """A parent that is killed cannot tell its workers, which would wait for tasks for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(pool: ProcessPoolExecutor) -> None:
    """Without waiting for tasks that are in progress: they are done again when the sweep goes on."""
    processes: dict[int, Any] = dict(pool._processes or {})
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes.values():
        process.terminate()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
