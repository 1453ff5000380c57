"""Optimizers: a few in-place operations on the flat parameter vector, in the convention of the paper or of a framework."""

from functools import partial
from typing import Any

from scratch.arrays import CONVENTIONS, Convention
from scratch.optimizers.adadelta import Adadelta
from scratch.optimizers.adagrad import Adagrad
from scratch.optimizers.adam import Adam, AdamW
from scratch.optimizers.adamax import Adamax
from scratch.optimizers.amsgrad import AMSGrad
from scratch.optimizers.asgd import ASGD
from scratch.optimizers.base import CHUNK, Choices, Factory, Optimizer, OptimizerState
from scratch.optimizers.ftrl import FTRL
from scratch.optimizers.layerwise import LAMB, NovoGrad
from scratch.optimizers.lion import Lion
from scratch.optimizers.muon import Muon
from scratch.optimizers.nadam import Nadam
from scratch.optimizers.radam import RAdam
from scratch.optimizers.rmsprop import RMSprop
from scratch.optimizers.rprop import Rprop
from scratch.optimizers.sgd import SGD
from scratch.optimizers.variance import AdaBelief, Yogi

CHOICES: dict[str, str] = {
    "epsilon_hat": "epsilon's place: Keras, and PyTorch in RAdam, add epsilon to sqrt(v), the \"epsilon hat\" of Adam's paper; Algorithm 1 "
    "of that paper and PyTorch's Adam add it to sqrt(v / (1 - beta_2^t)), where it weighs sqrt(1 - beta_2^t) times as much",
    "float32_coefficients": "Keras's float32-rounded betas or momentum: on TensorFlow, Keras casts a Python number through float32 on its "
    "way to the variable's precision, the betas in beta^t, the momentum, the weight decay and initial sums alike, even for float64 variables "
    "(0.999 becomes 0.9990000128746)",
    "rate_in_decay": "weight decay times learning rate: PyTorch, Keras and Optax take eta wd p off the parameters; the paper of AdamW "
    "takes wd p, which only the schedule scales",
    "bias_correction": "bias correction: implementations divide the moments of AMSGrad and Yogi by 1 - beta_1^t and 1 - beta_2^t as Adam "
    "does; their papers do not",
    "corrected_maximum": "what the maximum is of: Optax keeps the largest v / (1 - beta_2^t), a bias-corrected second moment; the paper of "
    "AMSGrad keeps the largest v",
    "epsilon_in_maximum": "epsilon in the maximum: PyTorch and Optax add epsilon to |g| before they take the maximum with beta_2 u; in the "
    "denominator it would be added to u",
    "constant_decay": "what decays the first moment: PyTorch and Keras use beta_1 at every step, as in Adam; the paper of Nadam uses mu_t, "
    "which grows from beta_1 / 2 to beta_1",
    "whole_second_moment": "the second moment of Nadam: implementations divide v by 1 - beta_2^t; the paper's Algorithm 2 multiplies it by "
    "beta_2 as well",
    "float32_product": "the product of the momenta: PyTorch keeps mu_1 ... mu_t in a float32 tensor, also for float64 parameters, unless the "
    "default dtype is float64",
    "momentum_decay_of_one": "how fast mu_t grows: Keras has 0.96^t; the paper of Nadam and PyTorch have 0.96^(t / 250)",
    "constant_momentum": "momentum without a warm-up: Optax has mu_t = beta_1; the paper of Nadam lets it grow from beta_1 / 2 to beta_1",
    "threshold_of_five": "from when on RAdam rectifies: PyTorch and Optax wait for rho_t > 5, as its authors' own code; the paper has rho_t > 4",
    "ratio_of_one": "layers whose norm is zero: Keras and Optax step with a trust ratio of 1 where the norm of the parameters or of the "
    "update is zero; by LAMB's formula a layer of zeros, such as a new bias, never moves",
    "decay_outside_ratio": "weight decay outside of the trust ratio: Keras takes eta wd p off the parameters before the step; in the paper of "
    "LAMB wd p is part of the update whose norm is taken",
    "filled_first_moment": "where Yogi's first moment starts: Optax fills it with the initial value of v, 1e-6; in the paper it starts at zero",
    "epsilon_inside_root": "epsilon's place in Adagrad: Keras and Optax have sqrt(sum + epsilon), where it acts as sqrt(epsilon) until "
    "gradients have added up; the paper and PyTorch have sqrt(sum) + epsilon",
    "epsilon_outside_root": "epsilon's place in RMSprop: PyTorch has sqrt(v) + epsilon; Graves, Keras and Optax have sqrt(v + epsilon), where "
    "it acts as sqrt(epsilon)",
    "no_way_back": "what Rprop does where the gradient changes its sign: PyTorch takes no step; the paper takes the last step back",
    "steps_of_last_call": "steps that come one call late: Optax's Rprop returns the update of the call before, zero in the first one, and "
    "takes none where the gradient changes its sign",
    "float32_rates": "rates in float32: PyTorch's ASGD keeps eta_t and mu_t in float32 tensors, also for float64 parameters, unless the "
    "default dtype is float64",
    "doubled_l2": "twice the L2 penalty: Keras's FTRL adds 2 l2 to the divisor; the paper adds l2",
    "corrected_momentum": "how Muon weighs the newest gradient: Optax divides the mean of the gradients by 1 - mu^(t+1) and the newest one by "
    "1 - mu^t, as Nadam does; Jordan's has g + mu m",
    "rms_of_adam": "Muon's factor for the shape of a kernel: Keras has 0.2 sqrt(max(inputs, outputs)), so that an update is as large as "
    "Adam's; Jordan's is sqrt(max(1, outputs / inputs))",
    "nesterov_biases": "what Muon does with biases: Optax gives them Adam's step with Nesterov's look-ahead; the others give them Adam's own",
    "clip_margin": "a margin in clipping: PyTorch scales by limit / (norm + 1e-6) from norm + 1e-6 > limit on, so that the clipped norm is a "
    "little below the limit",
    "average_of_steps": "where the running mean of the parameters starts: PyTorch's AveragedModel and Keras's use_ema copy the parameters "
    "after the first step; by the definition it starts from those before",
    "undamped_first_step": "dampening from the second step on: PyTorch's first velocity is the gradient itself, which is not damped",
}
"""What each choice means, in a sentence: in what a formula departs from the paper."""

OPTIMIZERS: dict[str, Factory] = {
    "sgd": SGD,
    "momentum": partial(SGD, momentum=0.9),
    "nesterov": partial(SGD, momentum=0.9, nesterov=True),
    "adam": Adam,
    "adamw": AdamW,
    "amsgrad": AMSGrad,
    "adamax": Adamax,
    "nadam": Nadam,
    "radam": RAdam,
    "lion": Lion,
    "lamb": LAMB,
    "yogi": Yogi,
    "novograd": NovoGrad,
    "adabelief": AdaBelief,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
    "rmsprop": RMSprop,
    "rprop": Rprop,
    "asgd": ASGD,
    "ftrl": FTRL,
    "muon": Muon,
}
"""Every optimizer by name; the values are called with its own numbers and those of `Optimizer`."""

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "sgd": [
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "decoupled": True},
        {"clip_value": 0.01},
        {"clip_norm": 0.1},
        {"clip_global_norm": 0.1},
        {"average_decay": 0.99},
    ],
    "momentum": [{"dampening": 0.5}, {"weight_decay": 0.01}, {"weight_decay": 0.01, "decoupled": True}],
    "nesterov": [{"momentum": 0.5}],
    "adam": [
        {"beta_1": 0.0},
        {"beta_2": 0.5},
        {"epsilon": 1e-3},
        {"epsilon": 0.0},
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "decoupled": True},
        {"clip_value": 0.01},
        {"clip_norm": 0.1},
        {"clip_global_norm": 0.1},
        {"average_decay": 0.99},
    ],
    "adamw": [{"beta_1": 0.0}, {"beta_2": 0.5}, {"epsilon": 1e-3}, {"epsilon": 0.0}, {"weight_decay": 0.1}],
    "amsgrad": [{"beta_1": 0.0}, {"epsilon": 1e-3}, {"weight_decay": 0.01}, {"weight_decay": 0.01, "decoupled": True}],
    "adamax": [{"beta_1": 0.0}, {"epsilon": 1e-3}, {"weight_decay": 0.01}, {"weight_decay": 0.01, "decoupled": True}],
    "nadam": [
        {"beta_1": 0.0},
        {"epsilon": 1e-3},
        {"momentum_decay": 0.1},
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "decoupled": True},
    ],
    "radam": [
        {"beta_1": 0.0},
        {"beta_2": 0.5},
        {"epsilon": 1e-3},
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "decoupled": True},
    ],
    "lion": [{"beta_1": 0.0}, {"beta_2": 0.9}, {"weight_decay": 0.1}],
    "lamb": [{"beta_1": 0.0}, {"epsilon": 1e-3}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled": False}],
    "yogi": [{"beta_1": 0.0}, {"initial": 0.1}, {"weight_decay": 0.01}, {"weight_decay": 0.01, "decoupled": True}],
    "novograd": [{"beta_1": 0.0}, {"epsilon": 1e-2}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled": False}],
    "adabelief": [{"beta_1": 0.0}, {"epsilon": 1e-6}, {"weight_decay": 0.01}, {"weight_decay": 0.01, "decoupled": True}],
    "adagrad": [{"initial_accumulator": 0.1, "epsilon": 1e-7}, {"rate_decay": 0.1}, {"weight_decay": 0.01}],
    "adadelta": [{"rho": 0.5}, {"weight_decay": 0.01}],
    "rmsprop": [
        {"centered": True},
        {"momentum": 0.9},
        {"centered": True, "momentum": 0.9},
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "decoupled": True},
    ],
    "rprop": [{"eta_minus": 0.3, "eta_plus": 1.5, "largest": 0.05}],
    "asgd": [{"start": 10.0}, {"start": 0.0, "decay": 0.01, "alpha": 1.0}, {"weight_decay": 0.01}],
    "ftrl": [{"l1": 0.1}, {"l2": 0.1}, {"beta": 0.0, "initial_accumulator": 0.1}, {"weight_decay": 0.01, "decoupled": True}],
    "muon": [
        {"rms": 0.2},
        {"nesterov": False},
        {"iterations": 3},
        {"weight_decay": 0.01, "decoupled": True},
    ],
}
"""Settings that are worth comparing beside the defaults, by the optimizer's name. A framework need not have all of them."""

__all__ = [
    "ASGD",
    "CHOICES",
    "CHUNK",
    "CONVENTIONS",
    "FTRL",
    "LAMB",
    "OPTIMIZERS",
    "SGD",
    "VARIANTS",
    "AMSGrad",
    "AdaBelief",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Choices",
    "Convention",
    "Factory",
    "Lion",
    "Muon",
    "Nadam",
    "NovoGrad",
    "Optimizer",
    "OptimizerState",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Yogi",
]
