"""A sweep on a Dask cluster of real processes: one worker is killed in the middle, and the table is complete and the same."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from comparisons.recipe import load_recipe
from comparisons.tuning import workers
from comparisons.tuning.store import TuneError
from comparisons.tuning.sweep import tune

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="needs dask.distributed")
SWEEP = """
data = { name = "digits" }
network = { hidden = [8] }
training = { epochs = 10, batch_size = 8 }
tune = { seeds = 20, space = { optimizer.learning_rate = [0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008] } }
"""
PATIENCE = 120
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def wait_for(what, process):
    """The first true answer; the process must live meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)
    return found


@pytest.fixture
def cluster(tmp_path, request):
    """A scheduler's address and the processes of two workers, on loopback; a parameter adds to their environment."""
    file, processes = tmp_path / "scheduler.json", []
    environment = ONE_THREAD | getattr(request, "param", {})

    def start(*arguments):
        log = (tmp_path / f"process-{len(processes)}.log").open("wb")
        command = [sys.executable, "-m", *arguments, "--no-dashboard", "--scheduler-file", str(file)]
        with log:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path))
        return processes[-1]

    def address():
        try:
            return json.loads(file.read_text())["address"]
        except (OSError, ValueError):
            return None

    try:
        scheduler = start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        where = wait_for(address, scheduler)
        worker = ("distributed.cli.dask_worker", "--host", "127.0.0.1", "--no-nanny", "--nthreads", "1")
        yield where, [start(*worker, "--local-directory", str(tmp_path / name)) for name in ("first", "second")]
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def test_a_killed_worker_costs_no_run(cluster, tmp_path):
    address, processes = cluster
    recipe, folder = tmp_path / "sweep.toml", tmp_path / "out"
    recipe.write_text(SWEEP)
    command = [sys.executable, "-m", "backproof", "tune", str(recipe), "--cluster", address, "--out", str(folder), "--json"]
    sweep = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ONE_THREAD)
    runs = folder / "runs.jsonl"
    wait_for(lambda: runs.exists() and runs.read_bytes().count(b"\n") >= 2, sweep)
    os.kill(processes[0].pid, signal.SIGKILL)
    assert runs.read_bytes().count(b"\n") < 8, "the kill came too late"
    output, messages = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, messages
    assert processes[0].wait() == -signal.SIGKILL
    assert processes[1].poll() is None

    results = json.loads(output)
    local = tune(load_recipe(recipe), folder=tmp_path / "local", workers=1)
    keys = ("set", "seed", "cost", "accuracy")
    assert [[run[key] for key in keys] for run in results["runs"]] == local.runs()[list(keys)].to_numpy(dtype=object).tolist()
    assert len(results["runs"]) == 160
    assert len(results["sets"]) == 8
    assert "Traceback" not in messages
    lines = runs.read_text().splitlines()
    assert sorted(json.loads(line)["task"] for line in lines[1:]) == list(range(8))


@pytest.mark.parametrize("cluster", [{"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}], indirect=True)
def test_a_task_that_kills_its_workers_is_told(cluster, monkeypatch):
    """On a scheduler that forgives no death, a worker that ends itself where it should train."""
    address, processes = cluster
    monkeypatch.setattr(workers, "_alone_on_a_thread", signal.raise_signal)
    with pytest.raises(TuneError, match="1 worker of the cluster died over one task"):
        list(workers.on_a_cluster([signal.SIGKILL], address))
    assert [process.poll() for process in processes].count(None) == 1


def test_a_task_that_raises_is_not_repeated(cluster, tmp_path, monkeypatch):
    """A command that counts its attempts in a file and fails."""
    address, _ = cluster
    attempts = tmp_path / "attempts"
    monkeypatch.setattr(workers, "_alone_on_a_thread", subprocess.check_call)
    with pytest.raises(TuneError, match=r"could not train \(CalledProcessError"):
        list(workers.on_a_cluster([("sh", "-c", f"echo attempt >> {attempts}; exit 1")], address))
    assert attempts.read_text() == "attempt\n"
