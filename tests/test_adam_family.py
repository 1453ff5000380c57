"""Adam and its relatives: papers, frameworks, the choices in which they differ, and planted mistakes."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from backends import float128
from backends.interface import NotOffered
from backends.numpy_backend import NumpyTwin
from comparisons.ladder import judge
from comparisons.optimizers import Recording, Replays, find_causes, replay, trajectory_error
from scratch.model import Model
from scratch.optimizers import CHOICES, CONVENTIONS, OPTIMIZERS, VARIANTS, Adam, Lion
from tests.conftest import BACKENDS, DTYPES
from tests.networks import network

FAMILY = [name for name, make in OPTIMIZERS.items() if isinstance(make(), Adam | Lion)]
STEPS = 1000
FEW = 12
EXAMPLES = {
    "adam": {"epsilon": 1e-3},
    "adamw": {"epsilon": 1e-3},
    "amsgrad": {"epsilon": 1e-3},
    "adamax": {"epsilon": 1e-3},
    "radam": {"epsilon": 1e-3, "beta_2": 0.9},
    "lamb": {"epsilon": 0.1, "weight_decay": 0.1},
}
"""Settings in which every choice of the optimizer matters by far more than a rounding."""


def recording_of(steps: int) -> tuple[Model, Recording]:
    rng = np.random.default_rng(0)
    model = network((7, 3))
    gradients = rng.standard_normal((steps, model.size)).astype(np.float32) * np.float32(0.1)
    parameters = model.initialize(rng)
    parameters[-3:] = 0  # a bias as it is drawn by default: LAMB's ratio has no meaning there
    return model, Recording(parameters, gradients)


def lion_recording() -> tuple[Model, Recording]:
    """Two gradients whose mean, weighted by betas of float64, has another sign than the one weighted by betas of float32."""
    model, recorded = recording_of(2)

    def root(beta_1: float, beta_2: float) -> float:
        return -beta_1 * (1 - beta_2) / (1 - beta_1)

    second = (root(0.9, 0.99) + root(float(np.float32(0.9)), float(np.float32(0.99)))) / 2
    gradients = np.ones((2, model.size), np.float32)
    gradients[1] = second
    return model, Recording(recorded.parameters, gradients)


@pytest.fixture(scope="module")
def short():
    return Replays(*recording_of(FEW))


def errors_of(trajectories, reference):
    return {dtype: trajectory_error(found, reference) for dtype, found in trajectories.items()}


def trajectories_of(mirror, optimizer, replays):
    start = replays.recording.parameters
    return {dtype: replay(mirror(replays.model, start, optimizer, dtype), replays.recording) for dtype in DTYPES}


def mirror_or_skip(backend, optimizer):
    """Its `mirror`, where it has that optimizer with these settings."""
    try:
        model, recorded = recording_of(1)
        backend.mirror(model, recorded.parameters, optimizer, "float32")
    except NotOffered as reason:
        pytest.skip(str(reason))
    return backend.mirror


@pytest.mark.parametrize(("name", "settings"), [(name, settings) for name in FAMILY for settings in VARIANTS[name]])
@pytest.mark.parametrize("backend", BACKENDS)
def test_variants_in_their_own_convention(backend, name, settings, backends, short):
    own = OPTIMIZERS[name](convention=backends[backend].convention or "paper", **settings)
    mirror = mirror_or_skip(backends[backend], own)
    errors = errors_of(trajectories_of(mirror, own, short), short.reference(own))
    assert judge(errors).verdict in ("exact", "rounding"), errors


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("backend", ["torch", "keras", "jax"])
def test_what_departs_from_the_paper_is_wrong_there_and_named(backend, name, backends):
    replays = Replays(*(lion_recording() if name == "lion" else recording_of(FEW)))
    settings = EXAMPLES.get(name, {})
    own = OPTIMIZERS[name](convention=backends[backend].convention, **settings)
    paper = OPTIMIZERS[name](**settings)
    trajectories = trajectories_of(mirror_or_skip(backends[backend], own), own, replays)

    def against(formula):
        return judge(errors_of(trajectories, replays.reference(formula)))

    ladder = against(paper)
    if not own.effective_choices:
        assert ladder.verdict in ("exact", "rounding"), ladder
        return
    assert ladder.verdict == "wrong", ladder
    causes = {cause["choice"] for cause in find_causes(paper, own, against)}
    assert causes == own.effective_choices
    assert causes <= set(CHOICES)


def literal(name):
    """The paper's algorithm as printed, number by number, from p, g, t and a dictionary that starts empty."""
    eta, beta_1, beta_2, epsilon = (float128.array(x) for x in (0.001, 0.9, 0.999, 1e-8))

    def moments(s, g, keep_1=beta_1):
        s["m"] = keep_1 * s.get("m", 0) + (1 - keep_1) * g
        s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g * g
        return s["m"], s["v"]

    def adam(p, g, t, s):
        m, v = moments(s, g)
        return p - eta * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)

    def amsgrad(p, g, t, s):
        m, v = moments(s, g)
        s["v_max"] = np.maximum(s.get("v_max", 0 * v), v)
        return p - eta * m / (np.sqrt(s["v_max"]) + epsilon)

    def adamax(p, g, t, s):
        m, _ = moments(s, g)
        s["u"] = np.maximum(beta_2 * s.get("u", 0 * g), np.abs(g))
        return p - eta / (1 - beta_1**t) * m / (s["u"] + epsilon)

    def nadam(p, g, t, s):
        def mu(i):
            return beta_1 * (1 - float128.array(0.96) ** (i * float128.array(0.004)) / 2)

        m, n = moments(s, g, mu(t))
        s["product"] = s.get("product", 1) * mu(t)
        m_hat = mu(t + 1) * m / (1 - s["product"] * mu(t + 1)) + (1 - mu(t)) * g / (1 - s["product"])
        n_hat = beta_2 * n / (1 - beta_2**t)
        return p - eta * m_hat / (np.sqrt(n_hat) + epsilon)

    def radam(p, g, t, s):
        m, v = moments(s, g)
        m_hat = m / (1 - beta_1**t)
        longest = 2 / (1 - beta_2) - 1
        rho = longest - 2 * t * beta_2**t / (1 - beta_2**t)
        if not rho > 4:
            return p - eta * m_hat
        r = np.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
        return p - eta * r * m_hat / (np.sqrt(v / (1 - beta_2**t)) + epsilon)

    def yogi(p, g, t, s):
        s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
        v = s.get("v", 0 * g + float128.array(1e-6))
        s["v"] = v - (1 - beta_2) * np.sign(v - g * g) * g * g
        return p - float128.array(0.01) * s["m"] / (np.sqrt(s["v"]) + float128.array(1e-3))

    return locals()[name]


@pytest.mark.parametrize("name", ["adam", "amsgrad", "adamax", "nadam", "radam", "yogi"])
def test_the_formula_is_the_papers(name, short):
    """Where no framework computes what the paper says, the paper's own lines are the witness."""
    rule, kept, p = literal(name), {}, float128.array(short.recording.parameters)
    trajectory = []
    for t, gradient in enumerate(short.recording.gradients, start=1):
        p = rule(p, float128.array(gradient), t, kept)
        trajectory.append(p)
    errors = errors_of(trajectories_of(NumpyTwin, OPTIMIZERS[name](), short), np.stack(trajectory))
    errors["float128"] = trajectory_error(short.reference(OPTIMIZERS[name]()), np.stack(trajectory))
    assert judge(errors).verdict == "rounding", errors


def test_rectification_starts_where_the_papers_says(short):
    """With beta_2 = 0.999, rho_t passes 4 at the fifth step and 5 at the sixth."""
    paper, torch = OPTIMIZERS["radam"](), OPTIMIZERS["radam"](convention="torch")
    dtype = np.dtype("float64")
    assert [paper.rectification(t, dtype) is None for t in (4, 5, 6)] == [True, False, False]
    assert [torch.rectification(t, dtype) is None for t in (4, 5, 6)] == [True, True, False]


@pytest.mark.parametrize("name", FAMILY)
def test_a_step_without_gradients_is_finite(name):
    """From zero parameters and zero gradients, as a dead unit has them, in every convention and precision."""
    model, recorded = recording_of(2)
    for convention, dtype in itertools.product(CONVENTIONS, (*DTYPES, "float128")):
        twin = NumpyTwin(model, 0 * recorded.parameters, OPTIMIZERS[name](convention=convention), dtype)
        twin.apply_gradients(0 * recorded.gradients[0])
        assert np.isfinite(twin.parameters()).all()


@pytest.mark.parametrize("name", FAMILY)
def test_beta_outside_of_its_range_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name}\.beta_1: 1\.0 is not in \[0, 1\)"):
        OPTIMIZERS[name](beta_1=1.0)


MISTAKES = {
    "adamw: decay after the step": ("adam", "AdamW", "def _decay(self", "def _average(self"),
    "amsgrad: the maximum forgotten": ("amsgrad", "AMSGrad", "np.maximum(v_max, v, out=v_max)", "v_max[...] = v"),
    "amsgrad: the smallest": ("amsgrad", "AMSGrad", "np.maximum(v_max, v, out", "np.minimum(v_max, v, out"),
    "adamax: the norm never decays": ("adamax", "Adamax", "u * beta_2", "u"),
    "adamax: no absolute value": ("adamax", "Adamax", "else np.abs(g)", "else g"),
    "adamax: no bias correction": ("adamax", "Adamax", ") * first)", "))"),
    "nadam: this step's momentum twice": ("nadam", "Nadam", "(following / (1 - then))", "(mu / (1 - then))"),
    "nadam: Adam's bias correction": ("nadam", "Nadam", "(1 - mu) / (1 - now)", "(1 - mu) / (1 - beta_1 ** t)"),
    "nadam: no look-ahead": ("nadam", "Nadam", " + g * ((1 - mu) / (1 - now))", ""),
    "nadam: product of the last momentum only": ("nadam", "Nadam", 'state.numbers["mu_product"] * mu', "mu"),
    "radam: never rectified": ("radam", "RAdam", "eta / first * r)", "eta / first)"),
    "radam: rho without the two": ("radam", "RAdam", "- 2 * t * beta_2", "- t * beta_2"),
    "radam: no bias correction of m": ("radam", "RAdam", "p -= m * (eta / first)\n", "p -= m * eta\n"),
    "lion: betas exchanged": ("lion", "Lion", "for beta in (self.beta_1, self.beta_2)", "for beta in (self.beta_2, self.beta_1)"),
    "lion: no sign": ("lion", "Lion", "np.sign(", "("),
    "lamb: ratio upside down": ("layerwise", "LAMB", "size / length", "length / size"),
    "lamb: norm not rooted": ("layerwise", "LAMB", "np.sqrt(np.add.reduce(np.square(x), axis=None))", "np.add.reduce(np.square(x), axis=None)"),
    "lamb: decay outside": ("layerwise", "LAMB", "+ p * decay\n            size", "\n            size"),
    "lamb: one norm for the whole vector": ("layerwise", "LAMB", "for p, g, m, v in state.arrays", "for p, g, m, v in state.chunks"),
    "novograd: second moment from zero": ("layerwise", "NovoGrad", "square if state.step == 1 else ", ""),
    "novograd: second moment per element": ("layerwise", "NovoGrad", "np.add.reduce(np.square(g), axis=None)", "np.square(g)"),
    "novograd: Adam's first moment": ("layerwise", "NovoGrad", "m += g / (np.sqrt(v) + epsilon)", "m += (1 - beta_1) * g / np.sqrt(v)"),
    "yogi: the second moment from zero": ("variance", "Yogi", 'state.slots["v"][...] = real(self.initial)', "pass"),
    "yogi: Adam's second moment": ("variance", "Yogi", "np.sign(v - square) * square", "(v - square)"),
    "adabelief: the mean before this step": ("variance", "AdaBelief", "mix(m, g, beta_1)\n            mix(s, np.square(g - m), beta_2)",
        "mix(s, np.square(g - m), beta_2)\n            mix(m, g, beta_1)"),
    "adabelief: epsilon outside only": ("variance", "AdaBelief", "            s += epsilon\n", ""),
    "the weight of the newest gradient": ("moments", "mix", "(1 - beta)", "beta"),
}  # fmt: skip
"""Planted mistakes: the module, the class, the text to replace, and what replaces it."""
MISTAKEN_SETTINGS = {"LAMB": {"weight_decay": 0.1}, "AdaBelief": {"epsilon": 1e-8}}


def planted(module, name, old, new):
    """A class of scratch with that text replaced in its source."""
    there = sys.modules[f"scratch.optimizers.{module}"]
    source = Path(there.__file__).read_text(encoding="utf-8")
    assert old in source, "the mistake has nothing to replace any more"
    namespace = {"__name__": there.__name__}
    exec(compile(source.replace(old, new), there.__file__, "exec"), namespace)
    return namespace[name]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_planted_mistakes(mistake, short, monkeypatch):
    module, name, old, new = MISTAKES[mistake]
    if module == "moments":
        right = OPTIMIZERS["radam"]()
        reference = short.reference(right)
        monkeypatch.setattr(sys.modules["scratch.optimizers.radam"], name, planted(module, name, old, new))
        wrong = right
    else:
        settings = MISTAKEN_SETTINGS.get(name, {})
        wrong = planted(module, name, old, new)(**settings)
        right = OPTIMIZERS[wrong.name](**settings)
        reference = short.reference(right)
        assert judge(errors_of(trajectories_of(NumpyTwin, right, short), reference)).verdict in ("exact", "rounding")
    errors = errors_of(trajectories_of(NumpyTwin, wrong, short), reference)
    assert judge(errors).verdict == "wrong", errors
