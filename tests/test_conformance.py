"""The quick matrix: every operation on every backend of ours, by the checks that a stranger's backend runs too."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backends import NotOffered
from backends.interface import Pullback
from backends.numpy_backend import NumpyBackend, NumpyTwin
from backproof.testing import check_backend, conformance
from comparisons.verification.matrix import REGISTRIES
from scratch.activations import ACTIVATIONS
from tests.conftest import BACKENDS

HOUSE = Path(__file__).parent.parent
BEHAVIOUR = [check.name for check in conformance(NumpyBackend()) if check.task is None]
OPERATIONS = [f"{kind} {name}" for kind, registry in REGISTRIES.items() for name in registry]


@pytest.fixture(scope="module")
def checks(backends):
    return {name: {check.name: check for check in conformance(backends[name])} for name in BACKENDS}


@pytest.mark.parametrize("check", [*BEHAVIOUR, *OPERATIONS])
@pytest.mark.parametrize("name", BACKENDS)
def test_conformance(name, check, checks, backends):
    kind_and_name = check.replace(" ", "/", 1)
    if kind_and_name in backends[name].gaps:
        with pytest.raises(NotOffered):
            checks[name][check]()
        return
    checks[name][check]()


def test_every_operation_is_checked_once(checks):
    for name in BACKENDS:
        assert sorted(checks[name]) == sorted([*BEHAVIOUR, *OPERATIONS])


class Leaky(NumpyTwin):
    """ReLU's derivative is one everywhere."""

    def __init__(self, model, *given):
        layers = [
            replace(layer, derivative_rule=ACTIVATIONS["linear"].derivative_rule) if layer.name == "relu" else layer
            for layer in model.layers
        ]
        super().__init__(replace(model, layers=tuple(layers)), *given)


class Shared(NumpyTwin):
    """Gives out its own parameters."""

    def parameters(self):
        return self._parameters


class Greedy(NumpyTwin):
    """Changes the batch that it is given."""

    def train_step(self, x, y):
        x *= 0.5
        return super().train_step(x, y)


class Forgetful(NumpyTwin):
    """Does not take over the moments."""

    def set_optimizer_state(self, saved, step):
        super().set_optimizer_state({name: np.zeros_like(slot) for name, slot in saved.items()}, step)


class AlwaysTraining(NumpyTwin):
    """Drops in inference as well."""

    def predict(self, x):
        return self.vjp(x, np.ones((len(x), self.model.widths[-1]))).output


class Single(NumpyTwin):
    """Computes in float32 whatever is asked."""

    def __init__(self, model, parameters, optimizer, dtype):
        super().__init__(model, parameters, optimizer, "float32")


class Transposed(NumpyTwin):
    """Gives gradients of kernels in the wrong order."""

    def vjp(self, *given, **named):
        found = super().vjp(*given, **named)
        gradients = found.gradients.copy()
        for view in self.model.views(gradients).values():
            view[...] = view.T.reshape(view.shape)
        return Pullback(found.output, found.input_gradient, gradients)


class Inference(NumpyTwin):
    """Takes the loss as in inference, without penalties and weights."""

    def loss_and_gradients(self, x, y, weights=None):
        workspace = self.forward(x, training=False)
        loss = workspace.model.loss.value_and_gradient(workspace.output, y, workspace.output_gradient, workspace._loss_work)
        return loss, self._pull_back(workspace)


class NoStatistics(NumpyTwin):
    """Does not use the running statistics in inference."""

    def vjp(self, x, cotangent, *, training=True):
        if not training:
            self.set_state(self.model.initial_state())
        return super().vjp(x, cotangent, training=training)


class Silent(NumpyTwin):
    """Gives no gradients at all."""

    def vjp(self, *given, **named):
        return super().vjp(*given, **named)._replace(gradients=np.zeros(0))


class WrongInFloat32(NumpyTwin):
    """Has another sign in float32 only."""

    def vjp(self, *given, **named):
        found = super().vjp(*given, **named)
        return found._replace(gradients=-found.gradients) if self.dtype == "float32" else found


class Exchanged(NumpyTwin):
    """Gives m out as v and v as m, and takes them back in the same way."""

    def optimizer_state(self):
        saved, step = super().optimizer_state()
        return {{"m": "v", "v": "m"}.get(name, name): slot for name, slot in saved.items()}, step

    def set_optimizer_state(self, saved, step):
        super().set_optimizer_state({{"m": "v", "v": "m"}.get(name, name): slot for name, slot in saved.items()}, step)


class AfterTheStep(NumpyTwin):
    """Gives the output that it has after the step."""

    def train_step(self, x, y):
        loss = super().train_step(x, y)
        self._last_output = self.vjp(x, np.ones((len(x), self.model.widths[-1]))).output
        return loss


class Overwritten(NumpyTwin):
    """Gives the output of whatever pass was the last."""

    def predict(self, x):
        self._last_output = super().predict(x)
        return self._last_output


class SharedOutput(NumpyTwin):
    """Gives out its own array."""

    def last_output(self):
        return self._last_output


class Stubborn(NumpyTwin):
    """Stays at its first rate."""

    def set_learning_rate(self, rate):
        pass


class SingleRate(NumpyTwin):
    """Rounds the rate to float32."""

    def set_learning_rate(self, rate):
        super().set_learning_rate(float(np.float32(rate)))


class OneStep(NumpyTwin):
    """Goes back to the first rate after a step."""

    def apply_gradients(self, gradients):
        super().apply_gradients(gradients)
        self.set_learning_rate(0.01)


class StartsAnew(NumpyTwin):
    """Forgets the moments where the rate changes, and not the count of steps."""

    def set_learning_rate(self, rate):
        super().set_learning_rate(rate)
        saved, step = self.optimizer_state()
        self.set_optimizer_state({name: np.zeros_like(slot) for name, slot in saved.items()}, step)


class CountsAnew(NumpyTwin):
    """Forgets the count of steps where the rate changes, and not the moments."""

    def set_learning_rate(self, rate):
        super().set_learning_rate(rate)
        self.set_optimizer_state(self.optimizer_state()[0], 0)


MISTAKES = {
    "activation relu": Leaky,
    "gives copies": Shared,
    "changes nothing": Greedy,
    "continues": Forgetful,
    "has modes": AlwaysTraining,
    "keeps bits": Single,
    "activation tanh": Single,
    "layer dense": Transposed,
    "optimizer adam": Forgetful,
    "computes in training": Inference,
    "layer batch_normalization": NoStatistics,
    "layer group_normalization": Silent,
    "layer layer_normalization": WrongInFloat32,
    "optimizer nadam": Exchanged,
}
MORE_MISTAKES = {
    "gives its last output": (AfterTheStep, Overwritten, SharedOutput),
    "changes its rate": (Stubborn, SingleRate, OneStep, StartsAnew, CountsAnew),
}
PLANTED = [*MISTAKES.items(), *((check, twin) for check, twins in MORE_MISTAKES.items() for twin in twins)]


@pytest.mark.parametrize(("check", "twin"), PLANTED, ids=[f"{check}-{twin.__name__}" for check, twin in PLANTED])
def test_a_backend_with_a_mistake_fails(check, twin):
    class Mistaken(NumpyBackend):
        convention = "paper"

        def mirror(self, *given):
            return twin(*given)

    by_name = {found.name: found for found in conformance(Mistaken())}
    with pytest.raises(AssertionError):
        by_name[check]()


def test_a_backend_that_breaks_is_told_so():
    class Broken(NumpyBackend):
        def mirror(self, *given):
            raise RuntimeError("out of tensors")

    by_name = {check.name: check for check in conformance(Broken())}
    with pytest.raises(AssertionError, match="out of tensors"):
        by_name["activation relu"]()


def test_the_backend_of_the_docs_is_one(tmp_path):
    """The page's code, installed as a package of a stranger, is found, conforms, and is verified."""
    page = (HOUSE / "docs" / "backend.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    for block in blocks:
        (tmp_path / block.splitlines()[0].removeprefix("# ")).write_text(block, encoding="utf-8")
    points = page.split('[project.entry-points."backproof.backends"]\n')[1].split("```")[0].replace('"', "")
    info = tmp_path / "my_backend-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[backproof.backends]\n{points}")
    code = """
import os, sys, warnings
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
from backends import load_backend
from backproof.testing import check_backend
from comparisons.verification.matrix import verify
missing = check_backend(load_backend("mine"))
offered = ["activation relu", "activation tanh", "layer dense", "layer dropout", "loss mean_squared_error", "optimizer momentum"]
assert not set(offered) & set(missing), missing
assert "optimizer adam" in missing
matrix = verify(["relu", "dense", "momentum", "softmax_cross_entropy"], backends=["numpy", "mine"])
assert not matrix.open, matrix.open
print(len([cell for cell in matrix.cells if cell.backend == "mine"]))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= 15


def test_check_backend_lists_what_is_missing():
    class Small(NumpyBackend):
        convention = "paper"

        def mirror(self, model, *given):
            if any(layer.name == "mish" for layer in model.layers):
                raise NotOffered("no mish")
            return super().mirror(model, *given)

        def draw(self, initializer, shape, seed):
            raise NotOffered("no initializers")

    missing = check_backend(Small())
    assert "activation mish" in missing
    assert "initializer he_normal" in missing
    assert "activation relu" not in missing
