"""The command line, end to end: what it writes, what it prints, and how it says no."""

import json
import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from backproof.cli import COMMANDS, app
from comparisons import compare as compare_module
from comparisons.compare import CompareError, compare
from reports.terminal import TerminalProgress

RUNNER = CliRunner()
SMALL = ["--data", "digits", "--epochs", "1", "--batch-size", "100"]


def invoke(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """One real run of the command in its own process: all backends, all files, and what it printed."""
    folder = tmp_path_factory.mktemp("report") / "new" / "folder"
    command = [sys.executable, "-m", "backproof", "compare", *SMALL, "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return folder, done


def test_a_whole_comparison(report):
    folder, done = report
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    results = json.loads((folder / "results.json").read_text())
    assert results["verdict"] == "rounding"
    assert results["backends"] == ["numpy", "torch", "keras"]
    assert results["skipped"] == {}
    assert results["interrupted"] is False
    assert len(results["gradients"]) == 3 * 6
    for row in results["gradients"]:
        assert row["verdict"] in ("exact", "rounding")
        assert {"backend", "parameter", "float32", "float64", "slope"} <= set(row)
        # Scratch in float64 within 1e-14 of the float128 truth, relative to the gradient's largest entry.
        assert row["float64"] <= 1e-14
    for row in results["truth"]:
        assert row["float128"] <= 1e-20
    modes = {(row["backend"], row["optimizer"], row["mode"]) for row in results["optimizers"]}
    assert ("keras", "adam", "free-running") in modes
    assert ("torch", "nesterov", "teacher-forced") in modes
    for row in results["optimizers"]:
        assert row["verdict"] in ("exact", "rounding"), row
        assert row["convention"] == {"numpy": "paper"}.get(row["backend"], row["backend"])
        if row["mode"] == "teacher-forced":
            assert row["ulp_float64"] <= 2
    for row in results["conventions"]:
        assert row["verdict"] == "wrong"
        assert row["causes"]
    for row in results["training"]:
        assert row["verdict"] in ("exact", "rounding")
        assert row["steps"] == 15
        assert set(row["max_parameter_difference"]) == {"float32", "float64"}
        assert row["max_parameter_difference"]["float64"] <= 1e-13
        assert set(row["seconds_per_step"]) == set(row["test_accuracy"]) == {"float32", "float64"}
    assert len(results["steps"]["float64.torch"]["loss"]) == 15
    assert results["command"] == "backproof compare recipe.toml --backends numpy,torch,keras"


def test_what_a_whole_comparison_prints(report):
    folder, done = report
    printed = " ".join(done.stdout.split())
    assert "Every difference is rounding: 18 gradients, 15 optimizer runs and 3 training runs" in printed
    assert str(folder / "index.html") in done.stdout
    for word in ("NumPy", "PyTorch", "Keras", "epsilon's place", "float32-rounded"):
        assert word in printed


def test_the_summary_holds_the_tables(report):
    folder, _ = report
    summary = (folder / "summary.md").read_text()
    for part in (
        "**rounding**",
        "## Gradients",
        "| PyTorch | dense\\_3.bias |",
        "Why conventions differ",
        "epsilon's place",
    ):
        assert part in summary


def test_the_recipe_in_the_report_makes_it_again(report, tmp_path):
    folder, _ = report
    done = invoke("compare", folder / "recipe.toml", "--backends", "numpy", "--out", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    first, again = json.loads((folder / "results.json").read_text()), json.loads(done.stdout)
    assert again["steps"]["float64.numpy"]["loss"] == first["steps"]["float64.numpy"]["loss"]
    assert again["recipe"] == first["recipe"]


def test_json_is_all_that_stdout_gets(tmp_path):
    done = invoke("compare", *SMALL, "--backends", "numpy", "--dtype", "float32", "--out", tmp_path, "--json")
    results = json.loads(done.stdout)
    assert results == json.loads((tmp_path / "results.json").read_text())
    assert set(results["training"][0]["test_accuracy"]) == {"float32"}
    assert results["training"][0]["verdict"] == "rounding"
    assert "The page:" in done.stderr


def test_one_convention_for_all_makes_keras_wrong(tmp_path):
    recipe = tmp_path / "torch_for_all.toml"
    recipe.write_text('[data]\nname = "digits"\n[optimizer]\nconvention = "torch"\n[training]\nepochs = 1\n')
    done = invoke("compare", recipe, "--backends", "torch,keras", "--out", tmp_path / "out")
    assert done.exit_code == 1, done.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["verdict"] == "wrong"
    wrong = {(row["backend"], row["mode"]) for row in results["optimizers"] if row["verdict"] == "wrong"}
    assert {("keras", "teacher-forced"), ("keras", "free-running")} <= wrong
    assert not [backend for backend, _ in wrong if backend != "keras"]
    assert [row["verdict"] for row in results["training"]] == ["rounding", "wrong"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "epsilon&#39;s place" in page
    assert "float32-rounded betas" in page


REFUSED = {
    "unknown recipe": (["compare", "defalt"], 'did you mean "default"?'),
    "unknown backend": (["compare", "--backends", "numpy,theano"], 'there is no backend "theano". Choose from numpy'),
    "no backend": (["compare", "--backends", ","], "no backend is left"),
    "no such folder": (["compare", "--data", "mnist", "--data-dir", "/no/such/folder"], "there is no such folder"),
    "data-dir implies mnist": (["compare", "--data-dir", "/no/such/folder"], "there is no such folder"),
    "data-dir with an embedded set": (["compare", "--data", "digits", "--data-dir", "/tmp"], "Use --data mnist"),
    "zero epochs": (["compare", "--epochs", "0"], "Invalid value for '--epochs'"),
    "unknown data": (["compare", "--data", "cifar"], "Invalid value for '--data'"),
    "out is a file": (["compare", "--out", __file__], "the report cannot be written there"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_gets_a_sentence_and_exit_code_2(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, message = REFUSED[case]
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.output


def test_a_missing_framework_is_named_and_the_rest_goes_on(tmp_path):
    code = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
sys.meta_path.insert(0, NoTorch())
from backproof.cli import main
main()
"""
    command = [sys.executable, "-c", code, "compare", *SMALL, "--backends", "numpy,torch", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install torch" in " ".join(done.stderr.split())
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["backends"] == ["numpy"]
    assert "PyTorch cannot be imported" in results["skipped"]["torch"]


DIVERGING = {
    "training diverges": ("optimizer", 'name = "sgd"\nlearning_rate = 1e6', 0, "inconclusive"),
    "nothing to begin with": ("network", 'initializer = { name = "normal", standard_deviation = 1e38 }', 2, None),
}


@pytest.mark.parametrize("case", DIVERGING)
@pytest.mark.filterwarnings("error")
def test_numbers_that_are_not_finite_are_not_called_wrong(case, tmp_path):
    table, entries, code, verdict = DIVERGING[case]
    recipe = tmp_path / "diverging.toml"
    loss = '[loss]\nname = "mean_squared_error"\n'
    recipe.write_text(f'[data]\nname = "digits"\n{loss}[{table}]\n{entries}\n[training]\nepochs = 1\nbatch_size = 100\n')
    done = invoke("compare", recipe, "--backends", "numpy,torch", "--out", tmp_path, "--json")
    assert done.exit_code == code, done.output
    if verdict is None:
        assert "not finite in float32" in done.stderr
    else:
        assert json.loads(done.stdout)["verdict"] == verdict


def test_nothing_left_to_compare():
    with pytest.raises(CompareError, match="no backend is left"):
        compare(backends=[], overrides={"data": {"name": "digits"}})


@pytest.mark.parametrize("stage", ["optimizers", "training"])
def test_ctrl_c_keeps_what_is_done_and_says_where(stage, tmp_path, monkeypatch):
    seen = []

    def interrupt(self, name, done, total):
        seen.append(name)
        if name == stage and done == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TerminalProgress, "__call__", interrupt)
    done = invoke("compare", *SMALL, "--backends", "numpy", "--out", tmp_path)
    assert done.exit_code == 130
    assert "What was done by then is in" in done.output
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["interrupted"] is True
    assert len(results["gradients"]) == 6
    assert len(results["optimizers"]) >= 3
    assert (len(results["training"]) == 1) == (stage == "training")
    if stage == "training":
        assert results["training"][0]["steps"] == 3
    assert (tmp_path / "index.html").exists()


def test_ctrl_c_while_the_report_is_written_loses_nothing(tmp_path, monkeypatch):
    from reports import results

    write, calls = results.to_html, []

    def interrupted_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return write(*arguments)

    monkeypatch.setattr(results, "to_html", interrupted_once)
    done = invoke("compare", *SMALL, "--backends", "numpy", "--out", tmp_path)
    assert done.exit_code == 130
    assert len(json.loads((tmp_path / "results.json").read_text())["training"]) == 1


def test_a_page_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "index.html").mkdir()
    done = invoke("compare", *SMALL, "--backends", "numpy", "--out", tmp_path)
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
    assert not list(tmp_path.glob("*.new"))


def test_a_mistake_of_ours_is_not_taken_for_a_verdict(tmp_path):
    code = """
import sys
from comparisons import compare
def fail(*_): raise RuntimeError("planted")
compare.load_dataset = fail
from backproof.cli import main
main()
"""
    command = [sys.executable, "-c", code, "compare", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "planted" in done.stderr
    assert "a mistake of ours" in done.stderr


def test_a_terminal_without_unicode(tmp_path):
    command = [sys.executable, "-m", "backproof", "compare", *SMALL, "--backends", "numpy", "--out", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Every difference is rounding" in " ".join(done.stdout.split())


def test_ctrl_c_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_module, "load_dataset", lambda *_: signal.raise_signal(signal.SIGINT))
    done = invoke("compare", "--out", tmp_path / "new")
    assert done.exit_code == 130
    assert "before anything was computed" in done.output


def test_bad_input_leaves_an_earlier_report_alone(tmp_path):
    assert invoke("compare", *SMALL, "--backends", "numpy", "--out", tmp_path).exit_code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert invoke("compare", "nothing.toml", "--out", tmp_path).exit_code == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_doctor():
    done = subprocess.run([sys.executable, "-m", "backproof", "doctor", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    findings = json.loads(done.stdout)
    assert findings["healthy"]
    assert findings["float128"]["works"]
    assert 0 < findings["float128"]["error"] < 1e-33
    assert {name for name, backend in findings["backends"].items() if backend["works"]} >= {"numpy", "torch", "keras"}
    assert findings["blas"]
    text = invoke("doctor")
    assert text.exit_code == 0
    assert "Healthy." in text.output


def test_doctor_finds_a_float128_that_is_broken(monkeypatch):
    import numpy as np

    from backends import float128
    from comparisons import doctor

    monkeypatch.setattr(float128.Float128Array, "__array_ufunc__", np.ndarray.__array_ufunc__)
    finding = doctor.examine_float128()
    assert not finding["works"]
    assert "transposed" in finding["note"]


def test_version_and_help():
    assert invoke("--version").output.startswith("backproof 0.")
    for command in ("compare", "doctor"):
        done = invoke(command, "--help")
        assert done.exit_code == 0
        assert "Exit code" in done.output


def test_every_command_says_what_its_exit_codes_are_and_the_list_of_them_loads_no_numpy():
    code = "import sys; from backproof.cli import app; sys.exit('numpy' in sys.modules or 'comparisons' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    listing = invoke("--help").output
    for command in COMMANDS:
        assert f" {command} " in listing
        done = invoke(command, "--help")
        assert done.exit_code == 0
        assert "Exit code 0" in " ".join(done.output.split())


@pytest.mark.skipif("BACKPROOF_MNIST" not in os.environ, reason="BACKPROOF_MNIST names no folder of the full MNIST")
def test_the_full_mnist(tmp_path):
    recipe = tmp_path / "large_batches.toml"
    recipe.write_text("[training]\nepochs = 1\nbatch_size = 6000\n")
    done = invoke("compare", recipe, "--data", "mnist", "--backends", "numpy", "--out", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)["data"]
    assert (data["train"], data["test"], data["name"]) == (60_000, 10_000, "mnist")
