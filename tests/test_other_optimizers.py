"""Adagrad, Adadelta, RMSprop, Rprop, ASGD, FTRL and Muon, and what all optimizers share: decay, clipping and averaging."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from backends import NotOffered
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.ladder import judge, relative_error
from comparisons.optimizers import find_causes, mathematics, trajectory_error
from scratch.optimizers import CHOICES, CONVENTIONS, OPTIMIZERS, SGD, VARIANTS
from scratch.optimizers.adadelta import Adadelta
from scratch.optimizers.adagrad import Adagrad
from scratch.optimizers.asgd import ASGD
from scratch.optimizers.ftrl import FTRL
from scratch.optimizers.muon import COEFFICIENTS, Muon, orthogonalize
from scratch.optimizers.rmsprop import RMSprop
from scratch.optimizers.rprop import Rprop
from tests.conftest import DTYPES
from tests.networks import network

RIGHT = ("exact", "rounding")
FRAMEWORKS = ("torch", "keras", "jax")
OURS = ("adagrad", "adadelta", "rmsprop", "rprop", "asgd", "ftrl", "muon")
SHARED = ("sgd", "momentum", "nesterov")
STEPS, FEW = 60, 20
MODEL = network((3, 4, 2))
"""One kernel that is wider than high, one that is higher than wide, and biases."""
RNG = np.random.default_rng(0)
START = MODEL.initialize(RNG)
GRADIENTS = (RNG.standard_normal((STEPS, MODEL.size)) * 10.0 ** RNG.uniform(-2, 0, MODEL.size)).astype(np.float32)
GRADIENTS[1:, 1] = 0  # a unit that dies
SETTINGS = [(name, settings) for name in (*OURS, *SHARED) for settings in VARIANTS[name]]
REFERENCES: dict = {}


def follow(twin, gradients):
    """Parameters, and their averages where there are some, after every gradient."""
    found, averages = [], None
    for gradient in gradients:
        twin.apply_gradients(gradient)
        if averages is None:
            averages = [name for name in ("average", "averaged") if name in twin.optimizer_state()[0]]
        saved = twin.optimizer_state()[0] if averages else {}
        found.append(np.concatenate([twin.parameters(), *(saved[name] for name in averages)]))
    return np.stack(found)


def reference(optimizer, steps):
    """The float128 trajectory of the formula, computed once."""
    key = mathematics(optimizer), steps
    if key not in REFERENCES:
        REFERENCES[key] = follow(NumpyTwin(MODEL, START, mathematics(optimizer), "float128"), GRADIENTS[:steps])
    return REFERENCES[key]


def against(trajectories):
    def ladder(optimizer):
        true = reference(optimizer, len(trajectories["float64"]))
        return judge({dtype: trajectory_error(found, true) for dtype, found in trajectories.items()})

    return ladder


def scratch_ladder(wrong, right, steps=FEW):
    """The ladder of one scratch optimizer against the formula of another."""
    found = {dtype: follow(NumpyTwin(MODEL, START, wrong, dtype), GRADIENTS[:steps]) for dtype in DTYPES}
    return against(found)(right)


def mirrors(backend, optimizer):
    try:
        return {dtype: backend.mirror(MODEL, START, optimizer, dtype) for dtype in DTYPES}
    except NotOffered as reason:
        pytest.skip(str(reason))


def label(value):
    return ", ".join(f"{name}={number}" for name, number in value.items()) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_many_steps_in_the_own_convention(framework, name, backends):
    """Also one step, the paper's convention with its causes, and state that is taken out and put into a fresh twin."""
    backend = backends[framework]
    own = OPTIMIZERS[name](convention=backend.convention)
    twins = mirrors(backend, own)
    found = {}
    for dtype, twin in twins.items():
        first = follow(twin, GRADIENTS[:FEW])
        parameters, (saved, step) = twin.parameters(), twin.optimizer_state()
        assert step == FEW
        assert set(saved) == set(NumpyTwin(MODEL, START, own, dtype).optimizer_state()[0])
        rest = follow(twin, GRADIENTS[FEW:])
        if framework == "torch" or dtype == "float32":
            fresh = backend.mirror(MODEL, parameters, own, dtype)
            fresh.set_optimizer_state(saved, step)
            assert np.array_equal(follow(fresh, GRADIENTS[FEW : 2 * FEW]), rest[:FEW])
        found[dtype] = np.concatenate([first, rest])
    assert against(found)(own).verdict in RIGHT
    early = against({dtype: values[:1] for dtype, values in found.items()})
    assert early(own).verdict in RIGHT
    check_against_the_paper({dtype: values[:FEW] for dtype, values in found.items()}, own)


def check_against_the_paper(trajectories, own):
    ladder = against(trajectories)
    paper = replace(own, convention="paper")
    if not own.effective_choices:
        assert ladder(paper).verdict in RIGHT
        return
    assert ladder(paper).verdict == "wrong", (ladder(paper), own.effective_choices)
    causes = {cause["choice"] for cause in find_causes(paper, own, ladder)}
    assert causes == own.effective_choices


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=label)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_variants(framework, name, settings, backends):
    backend = backends[framework]
    own = OPTIMIZERS[name](convention=backend.convention, **settings)
    found = {dtype: follow(twin, GRADIENTS[:FEW]) for dtype, twin in mirrors(backend, own).items()}
    assert against(found)(own).verdict in RIGHT, against(found)(own)
    check_against_the_paper(found, own)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_slots_from_a_state_in_the_middle(framework, backends):
    """One step from the same state: every slot is on the ladder, not the parameters alone."""
    for name in ("rmsprop", "rprop", "adagrad") if framework != "keras" else ("rmsprop", "adagrad", "ftrl"):
        settings = {"centered": True, "momentum": 0.9} if name == "rmsprop" else {}
        own = OPTIMIZERS[name](convention=backends[framework].convention, **settings)
        trained = NumpyTwin(MODEL, START, own, "float32")
        follow(trained, GRADIENTS[:FEW])
        (saved, step), parameters = trained.optimizer_state(), trained.parameters()

        def one_step(twin, saved=saved, step=step):
            twin.set_optimizer_state(saved, step)
            twin.apply_gradients(GRADIENTS[FEW])
            return twin.optimizer_state()[0]

        true = one_step(NumpyTwin(MODEL, parameters, own, "float128"))
        slots = {dtype: one_step(backends[framework].mirror(MODEL, parameters, own, dtype)) for dtype in DTYPES}
        for slot, values in true.items():
            ladder = judge({dtype: relative_error(slots[dtype][slot], values) for dtype in DTYPES})
            assert ladder.verdict in RIGHT, (name, slot, ladder)


@pytest.mark.parametrize("name", [*OURS, *SHARED])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_scratch_meets_its_own_formula_in_every_convention(convention, name):
    """The order of operations is all that a convention has beside its choices."""
    for settings in ({}, *VARIANTS[name]):
        optimizer = OPTIMIZERS[name](convention=convention, **settings)
        assert scratch_ladder(optimizer, optimizer).verdict in RIGHT, settings
        assert optimizer.effective_choices <= set(CHOICES)
        assert not OPTIMIZERS[name](**settings).effective_choices


class Forgetful:
    """Puts the slot back to zero before every step."""

    forgotten = ""

    def update(self, state):
        state.slots[self.forgotten][...] = 0
        super().update(state)


class Impatient:
    """Takes the step count one too high."""

    def advance(self, state):
        state.step += 1
        super().advance(state)
        state.step -= 1


@dataclass(frozen=True)
class SumOfLast(Forgetful, Adagrad):
    forgotten = "sum"


@dataclass(frozen=True)
class UnitsForgotten(Forgetful, Adadelta):
    forgotten = "u"


@dataclass(frozen=True)
class LinearForgotten(Forgetful, FTRL):
    forgotten = "z"


@dataclass(frozen=True)
class MomentumForgotten(Forgetful, Muon):
    forgotten = "m"


@dataclass(frozen=True)
class EarlyASGD(Impatient, ASGD):
    pass


@dataclass(frozen=True)
class EarlyAdagrad(Impatient, Adagrad):
    pass


@dataclass(frozen=True)
class EarlyMuon(Impatient, Muon):
    pass


@dataclass(frozen=True)
class MeanNotSquared(RMSprop):
    def _root(self, v, m, epsilon):
        return super()._root(v, None if m is None else np.sqrt(np.abs(m)), epsilon)


@dataclass(frozen=True)
class PunishedTwice(Rprop):
    """Keeps the gradient after a change of sign, so that the step shrinks once more."""

    def advance(self, state):
        gradients = state.gradients.copy()
        super().advance(state)
        state.slots["previous"][...] = gradients


@dataclass(frozen=True)
class DecayAfterwards(SGD):
    def _decay(self, state):
        pass

    def advance(self, state):
        super().advance(state)
        super()._decay(state)


@dataclass(frozen=True)
class DecayWithoutRate(SGD):
    def _decay(self, state):
        state.parameters -= state.parameters * self.weight_decay


@dataclass(frozen=True)
class ClippedAfterDecay(SGD):
    def _clip(self, state):
        super()._decay(state)
        super()._clip(state)

    def _decay(self, state):
        pass


@dataclass(frozen=True)
class NormOfEach(SGD):
    def _clip(self, state):
        for _, g, *_ in state.arrays:
            self._shorten(g, self.clip_global_norm, state)


@dataclass(frozen=True)
class AverageOfGradients(SGD):
    def _average(self, state):
        average = state.slots["average"]
        average *= self.average_decay
        average += state.gradients * (1 - self.average_decay)


@dataclass(frozen=True)
class AverageBeforeTheStep(SGD):
    def advance(self, state):
        super()._average(state)
        super().advance(state)

    def _average(self, state):
        pass


MISTAKES = {
    "Adagrad that forgets": (SumOfLast(), Adagrad()),
    "Adagrad's t one ahead": (EarlyAdagrad(rate_decay=0.1), Adagrad(rate_decay=0.1)),
    "Adagrad's epsilon inside": (Adagrad(convention="optax"), Adagrad()),
    "Adadelta without units": (UnitsForgotten(), Adadelta()),
    "RMSprop's epsilon outside": (RMSprop(convention="torch"), RMSprop()),
    "RMSprop's mean not squared": (MeanNotSquared(centered=True), RMSprop(centered=True)),
    "RMSprop not centered": (RMSprop(), RMSprop(centered=True)),
    "Rprop that punishes twice": (PunishedTwice(), Rprop()),
    "Rprop without a way back": (Rprop(convention="torch"), Rprop()),
    "Rprop one call late": (Rprop(convention="optax"), Rprop()),
    "ASGD's t one ahead": (EarlyASGD(decay=0.1), ASGD(decay=0.1)),
    "ASGD in float32": (ASGD(convention="torch"), ASGD()),
    "FTRL without its memory": (LinearForgotten(), FTRL()),
    "FTRL's l2 doubled": (FTRL(l2=0.1, convention="keras"), FTRL(l2=0.1)),
    "Muon without momentum": (MomentumForgotten(), Muon()),
    "Muon's t one ahead": (EarlyMuon(), Muon()),
    "Muon with Nesterov forgotten": (Muon(nesterov=False), Muon()),
    "Muon scaled as Adam": (replace(Muon(), choices=frozenset({"rms_of_adam"})), Muon()),
    "dampening from the start": (SGD(momentum=0.9, dampening=0.5), SGD(momentum=0.9, dampening=0.5, convention="torch")),
    "decay after the step": (
        DecayAfterwards(weight_decay=0.1, decoupled=True),
        SGD(weight_decay=0.1, decoupled=True),
    ),
    "decay without the rate": (DecayWithoutRate(weight_decay=0.1, decoupled=True), SGD(weight_decay=0.1, decoupled=True)),
    "decay clipped as well": (ClippedAfterDecay(weight_decay=0.1, clip_value=0.1), SGD(weight_decay=0.1, clip_value=0.1)),
    "every norm for the global one": (NormOfEach(clip_global_norm=0.1), SGD(clip_global_norm=0.1)),
    "clipping with a margin": (SGD(clip_global_norm=0.1, convention="torch"), SGD(clip_global_norm=0.1)),
    "average of the gradients": (AverageOfGradients(average_decay=0.9), SGD(average_decay=0.9)),
    "average before the step": (AverageBeforeTheStep(average_decay=0.9), SGD(average_decay=0.9)),
    "average from the first step": (SGD(average_decay=0.9, convention="keras"), SGD(average_decay=0.9)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_planted_mistakes(mistake):
    wrong, right = MISTAKES[mistake]
    assert scratch_ladder(right, right).verdict in RIGHT
    assert scratch_ladder(wrong, right).verdict == "wrong"


NUMBERS = {
    "adagrad": Adagrad(initial_accumulator=0.1, rate_decay=0.1, epsilon=1e-3),
    "adadelta": Adadelta(),
    "rmsprop": RMSprop(momentum=0.9, centered=True),
    "rprop": Rprop(smallest=0.009, largest=0.02),
    "asgd": ASGD(decay=0.1, start=5.0),
    "ftrl": FTRL(l1=0.01, l2=0.1, initial_accumulator=0.1),
    "muon": Muon(rms=0.3, epsilon=1e-3),
    "sgd": SGD(momentum=0.9, dampening=0.5, weight_decay=0.01, clip_norm=0.1, average_decay=0.9),
}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (name, entry.name)
        for name, optimizer in NUMBERS.items()
        for entry in fields(optimizer)
        if isinstance(getattr(optimizer, entry.name), float) and getattr(optimizer, entry.name)
    ],
)
def test_every_number_counts(name, number):
    """A setting that is off by one part in a million shows."""
    right = NUMBERS[name]
    wrong = replace(right, **{number: getattr(right, number) * (1 + 1e-6)})
    assert scratch_ladder(wrong, right).verdict == "wrong"


def test_newton_schulz_is_the_polynomial_of_the_singular_values():
    """Another way to the same matrix: U q(S) V^T, where q is the quintic a s + b s^3 + c s^5, five times."""
    x = np.random.default_rng(1).standard_normal((4, 7))
    u, s, vt = np.linalg.svd(x / np.linalg.norm(x), full_matrices=False)
    a, b, c = COEFFICIENTS
    for _ in range(5):
        s = a * s + b * s**3 + c * s**5
    for matrix, expected in ((x, u * s @ vt), (x.T, (u * s @ vt).T)):
        errors = {dtype: relative_error(orthogonalize(matrix.astype(dtype), 5, 0.0), expected) for dtype in DTYPES}
        assert judge(errors).verdict == "rounding", errors
    assert ((s > 0.6) & (s < 1.3)).all()


@pytest.mark.parametrize(
    "optimizer",
    [Adagrad(epsilon=0.0), RMSprop(epsilon=0.0), RMSprop(epsilon=0.0, centered=True), FTRL(beta=0.0), Rprop(), Muon()],
    ids=lambda optimizer: optimizer.name,
)
def test_no_gradient_is_no_reason_for_nan(optimizer):
    for dtype in (*DTYPES, "float128"):
        twin = NumpyTwin(MODEL, START, optimizer, dtype)
        twin.apply_gradients(np.zeros(MODEL.size))
        assert np.isfinite(twin.parameters()).all()
        if optimizer.name != "ftrl":  # whose parameters follow from its sums alone
            assert np.array_equal(twin.parameters(), as_dtype(START, dtype))


@pytest.mark.parametrize("settings", [{"clip_norm": 1.0}, {"clip_global_norm": 1.0}], ids=label)
def test_exploding_gradients_keep_their_direction(settings):
    """Their squares overflow in float32: frameworks return zeros or NaN."""
    optimizer = SGD(**settings)
    gradient = GRADIENTS[0] * np.float32(1e25)
    found = {}
    for dtype in (*DTYPES, "float128"):
        twin = NumpyTwin(MODEL, START, optimizer, dtype)
        twin.apply_gradients(gradient)
        found[dtype] = twin.parameters()[None]
    assert judge({dtype: trajectory_error(found[dtype], found["float128"]) for dtype in DTYPES}).verdict in RIGHT


def test_rprop_knows_the_sign_of_small_gradients():
    """The product of two gradients of 1e-30 is zero in float32."""
    twin = NumpyTwin(MODEL, START, Rprop(), "float32")
    for _ in range(2):
        twin.apply_gradients(np.full(MODEL.size, 1e-30))
    assert np.array_equal(twin.optimizer_state()[0]["step"], np.full(MODEL.size, np.float32(0.01) * np.float32(1.2)))


def test_a_constant_gradient_has_no_negative_variance():
    """v - m^2 is zero but for rounding: PyTorch takes the root of it, negative as it may be."""
    twin = NumpyTwin(MODEL, START, RMSprop(rho=0.9, centered=True, convention="torch"), "float32")
    for _ in range(400):
        twin.apply_gradients(np.full(MODEL.size, 0.7))
    assert np.isfinite(twin.parameters()).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Adagrad(epsilon=-1.0), "adagrad.epsilon"),
        (lambda: Adadelta(epsilon=0.0), "adadelta.epsilon"),
        (lambda: Adadelta(rho=1.0), "adadelta.rho"),
        (lambda: RMSprop(momentum=1.0), "rmsprop.momentum"),
        (lambda: Rprop(eta_minus=1.5), "rprop.eta_minus"),
        (lambda: Rprop(100.0), "rprop.learning_rate"),
        (lambda: ASGD(start=-1.0), "asgd.start"),
        (lambda: FTRL(0.0), "ftrl.learning_rate"),
        (lambda: Muon(momentum=1.0), "muon.momentum"),
        (lambda: SGD(dampening=0.5), "sgd.dampening"),
        (lambda: SGD(clip_norm=0.0), "sgd.clip_norm"),
        (lambda: SGD(clip_norm=1.0, clip_value=1.0), "only one of"),
        (lambda: SGD(average_decay=1.0), "sgd.average_decay"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
