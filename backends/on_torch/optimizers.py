"""Scratch's optimizers in PyTorch: one row each, with the names that PyTorch gives to their slots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.interface import NotOffered, find_row
from backends.on_torch.framework import torch
from scratch.optimizers import Optimizer

Parameters = list[torch.nn.Parameter]


@dataclass(frozen=True)
class OptimizerRow:
    """How one optimizer is made, and what its state is called there."""

    make: Callable[[Any, Parameters], torch.optim.Optimizer]
    """From scratch's optimizer and PyTorch's parameters."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Scratch's slots and numbers, in the "torch" convention, by PyTorch's names."""
    counts: bool = True
    """Whether PyTorch keeps the number of steps in its state."""


def _sgd(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        parameters,
        lr=o.learning_rate,
        momentum=o.momentum,
        dampening=o.dampening,
        nesterov=o.nesterov,
        weight_decay=o.weight_decay,
    )


def _adam(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    betas = (o.beta_1, o.beta_2)
    make = torch.optim.AdamW if o.decoupled else torch.optim.Adam
    amsgrad = o.name == "amsgrad"
    return make(parameters, lr=o.learning_rate, betas=betas, eps=o.epsilon, weight_decay=o.weight_decay, amsgrad=amsgrad)


def _adamax(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    betas = (o.beta_1, o.beta_2)
    return torch.optim.Adamax(parameters, lr=o.learning_rate, betas=betas, eps=o.epsilon, weight_decay=o.weight_decay)


def _nadam(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.NAdam(
        parameters,
        lr=o.learning_rate,
        betas=(o.beta_1, o.beta_2),
        eps=o.epsilon,
        weight_decay=o.weight_decay,
        momentum_decay=o.momentum_decay,
        decoupled_weight_decay=o.decoupled,
    )


def _radam(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.RAdam(
        parameters,
        lr=o.learning_rate,
        betas=(o.beta_1, o.beta_2),
        eps=o.epsilon,
        weight_decay=o.weight_decay,
        decoupled_weight_decay=o.decoupled,
    )


def _adagrad(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(
        parameters,
        lr=o.learning_rate,
        lr_decay=o.rate_decay,
        weight_decay=o.weight_decay,
        initial_accumulator_value=o.initial_accumulator,
        eps=o.epsilon,
    )


def _adadelta(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.Adadelta(parameters, lr=o.learning_rate, rho=o.rho, eps=o.epsilon, weight_decay=o.weight_decay)


def _rmsprop(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(
        parameters,
        lr=o.learning_rate,
        alpha=o.rho,
        eps=o.epsilon,
        weight_decay=o.weight_decay,
        momentum=o.momentum,
        centered=o.centered,
    )


def _rprop(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    if o.weight_decay:
        raise NotOffered("PyTorch has no weight decay for rprop. Add the penalty to the loss.")
    etas, sizes = (o.eta_minus, o.eta_plus), (o.smallest, o.largest)
    return torch.optim.Rprop(parameters, lr=o.learning_rate, etas=etas, step_sizes=sizes)


def _asgd(o: Any, parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.ASGD(
        parameters, lr=o.learning_rate, lambd=o.decay, alpha=o.alpha, t0=o.start, weight_decay=o.weight_decay
    )


MOMENTS = {"m": "exp_avg", "v": "exp_avg_sq"}


OPTIMIZERS: dict[str, OptimizerRow] = {
    "sgd": OptimizerRow(_sgd, counts=False),
    "momentum": OptimizerRow(_sgd, {"velocity": "momentum_buffer"}, counts=False),
    "nesterov": OptimizerRow(_sgd, {"velocity": "momentum_buffer"}, counts=False),
    "adam": OptimizerRow(_adam, MOMENTS),
    "adamw": OptimizerRow(_adam, MOMENTS),
    "amsgrad": OptimizerRow(_adam, MOMENTS | {"v_max": "max_exp_avg_sq"}),
    "adamax": OptimizerRow(_adamax, {"m": "exp_avg", "u": "exp_inf"}),
    "nadam": OptimizerRow(_nadam, MOMENTS | {"mu_product": "mu_product"}),
    "radam": OptimizerRow(_radam, MOMENTS),
    "adagrad": OptimizerRow(_adagrad, {"sum": "sum"}),
    "adadelta": OptimizerRow(_adadelta, {"v": "square_avg", "u": "acc_delta"}),
    "rmsprop": OptimizerRow(_rmsprop, {"v": "square_avg", "m": "grad_avg", "velocity": "momentum_buffer"}),
    "rprop": OptimizerRow(_rprop, {"previous": "prev", "step": "step_size"}),
    "asgd": OptimizerRow(_asgd, {"averaged": "ax", "eta": "eta", "mu": "mu"}),
}

GAPS: dict[str, str] = {
    "lion": "torch.optim has none. Keras and Optax have it.",
    "lamb": "torch.optim has none. Keras and Optax have it.",
    "yogi": "torch.optim has none. Optax has it.",
    "novograd": "torch.optim has none. Optax has it.",
    "adabelief": "torch.optim has none. Optax has it.",
    "ftrl": "torch.optim has none. Keras has it.",
    "muon": "torch.optim.Muon orthogonalizes in bfloat16, whatever the precision of the parameters, so that an update is good to two "
    "digits and depends on the order in which a CPU adds; and it refuses biases. Keras and Optax keep the precision.",
}
"""What PyTorch does not have, and what there is instead."""
DECOUPLED = {"adam", "adamw", "amsgrad", "nadam", "radam"}
"""Optimizers that have a decoupled weight decay."""


def optimizer_row(optimizer: Optimizer) -> OptimizerRow:
    """The row of an optimizer; raises NotOffered, also for settings that PyTorch does not have."""
    if optimizer.decoupled and optimizer.weight_decay and optimizer.name not in DECOUPLED:
        raise NotOffered(f"PyTorch has no decoupled weight decay for {optimizer.name}.")
    return find_row(OPTIMIZERS, GAPS, optimizer.name, "PyTorch")


def averaged_model(optimizer: Optimizer, module: torch.nn.Module) -> torch.optim.swa_utils.AveragedModel | None:
    """The module that keeps the running mean of that one's parameters, if there is to be one."""
    if optimizer.average_decay is None:
        return None
    mean = torch.optim.swa_utils.get_ema_avg_fn(optimizer.average_decay)  # type: ignore[no-untyped-call]
    return torch.optim.swa_utils.AveragedModel(module, avg_fn=mean)


def clip(optimizer: Optimizer, parameters: Parameters) -> None:
    """Clip the gradients in place, as PyTorch's users do between `backward` and `step`."""
    if optimizer.clip_value is not None:
        torch.nn.utils.clip_grad_value_(parameters, optimizer.clip_value)
    if optimizer.clip_norm is not None:
        for parameter in parameters:
            torch.nn.utils.clip_grad_norm_([parameter], optimizer.clip_norm)
    if optimizer.clip_global_norm is not None:
        torch.nn.utils.clip_grad_norm_(parameters, optimizer.clip_global_norm)
