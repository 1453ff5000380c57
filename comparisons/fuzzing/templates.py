"""The fixed parts of the programs in `reproducers`: how each framework runs one operation. Capitals are filled in."""

HEADS = {
    "torch": """
from types import SimpleNamespace

import numpy as np
import torch
from torch.nn import functional

np.set_printoptions(precision=17, linewidth=160)
""",
    "keras": """
import os
from types import SimpleNamespace

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

np.set_printoptions(precision=17, linewidth=160)
""",
    "jax": """
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

np.set_printoptions(precision=17, linewidth=160)
""",
}

TEMPLATES = {
    ("activation", "torch"): """

def compute(dtype):
    z = torch.tensor(Z, dtype=getattr(torch, dtype), requires_grad=True)
    a = row(SETTINGS)(z)
    a.backward(torch.tensor(COTANGENT, dtype=z.dtype))
    return {"value": a.detach().numpy(), "derivative": z.grad.numpy()}
""",
    ("activation", "keras"): """

def compute(dtype):
    z = tf.constant(Z, dtype)
    with tf.GradientTape() as tape:
        tape.watch(z)
        a = row(z, SETTINGS)
    return {"value": a.numpy(), "derivative": tape.gradient(a, z, tf.constant(COTANGENT, dtype)).numpy()}
""",
    ("activation", "jax"): """

def compute(dtype):
    with jax.enable_x64(dtype == "float64"):
        a, pull_back = jax.vjp(lambda z: row(z, SETTINGS), jnp.array(Z, dtype))
        (dz,) = pull_back(jnp.array(COTANGENT, dtype))
        return {"value": np.array(a), "derivative": np.array(dz)}
""",
    ("network", "torch"): """

def compute(dtype):
    layers = []
    for kernel, bias in zip(KERNELS, BIASES):
        dense = torch.nn.Linear(len(kernel), len(bias), dtype=getattr(torch, dtype))
        with torch.no_grad():
            dense.weight.copy_(torch.tensor(kernel).T)
            dense.bias.copy_(torch.tensor(bias))
        layers += [dense, row(SETTINGS)]
    output = torch.nn.Sequential(*layers)(torch.tensor(X, dtype=dense.weight.dtype))
    output.backward(torch.tensor(COTANGENT, dtype=output.dtype))
    gradients = [part for dense in layers[::2] for part in (dense.weight.grad.T, dense.bias.grad)]
    return {"gradients": np.concatenate([part.numpy().ravel() for part in gradients])}
""",
    ("network", "keras"): """

def compute(dtype):
    layers = []
    for bias in BIASES:
        dense = keras.layers.Dense(len(bias), dtype=dtype)
        layers += [dense, keras.layers.Lambda(lambda z: row(z, SETTINGS), dtype=dtype)]
    model = keras.Sequential([keras.Input((len(X[0]),), dtype=dtype), *layers])
    for dense, kernel, bias in zip(layers[::2], KERNELS, BIASES):
        dense.set_weights([np.array(kernel), np.array(bias)])
    with tf.GradientTape() as tape:
        output = model(tf.constant(X, dtype))
    gradients = tape.gradient(output, [w.value for w in model.trainable_variables], tf.constant(COTANGENT, dtype))
    return {"gradients": np.concatenate([part.numpy().ravel() for part in gradients])}
""",
    ("network", "jax"): """

def network(parameters, z):
    for kernel, bias in parameters:
        z = z @ kernel + bias
        z = row(z, SETTINGS)
    return z


def compute(dtype):
    with jax.enable_x64(dtype == "float64"):
        parameters = [(jnp.array(kernel, dtype), jnp.array(bias, dtype)) for kernel, bias in zip(KERNELS, BIASES)]
        _, pull_back = jax.vjp(lambda parameters: network(parameters, jnp.array(X, dtype)), parameters)
        (gradients,) = pull_back(jnp.array(COTANGENT, dtype))
        return {"gradients": np.concatenate([np.ravel(part) for pair in gradients for part in pair])}
""",
    ("optimizer", "torch"): """

def compute(dtype):
    p = torch.nn.Parameter(torch.tensor(PARAMETERS, dtype=getattr(torch, dtype)))
    optimizer = make(o, [p])
    trajectory = []
    for gradient in GRADIENTS:
        p.grad = torch.tensor(gradient, dtype=p.dtype)
        CLIP
        optimizer.step()
        trajectory.append(p.detach().numpy().copy())
    return {"parameters": np.stack(trajectory)}
""",
    ("optimizer", "keras"): """

def compute(dtype):
    keras.config.set_floatx(dtype)  # the learning rate is kept in it
    p = keras.Variable(np.array(PARAMETERS, dtype))
    optimizer = make(o, SHARED)
    trajectory = []
    for gradient in GRADIENTS:
        optimizer.apply([tf.constant(gradient, dtype)], [p])
        trajectory.append(p.numpy())
    return {"parameters": np.stack(trajectory)}
""",
    ("optimizer", "jax"): """

def compute(dtype):
    with jax.enable_x64(dtype == "float64"):
        p = jnp.array(PARAMETERS, dtype)
        optimizer = make(o)
        state = optimizer.init(p)

        @jax.jit
        def step(p, state, gradient):
            updates, state = optimizer.update(gradient, state, p)
            return optax.apply_updates(p, updates), state

        trajectory = []
        for gradient in GRADIENTS:
            p, state = step(p, state, jnp.array(gradient, dtype))
            trajectory.append(np.array(p))
        return {"parameters": np.stack(trajectory)}
""",
    ("loss", "torch"): """

def compute(dtype):
    z = torch.tensor(Z, dtype=getattr(torch, dtype), requires_grad=True)
    y = torch.tensor(Y, dtype=TARGETS)
    w = torch.tensor(WEIGHTS, dtype=z.dtype)
    loss = VALUE
    loss.backward()
    return {"value": loss.detach().numpy().reshape(1), "derivative": z.grad.numpy()}
""",
    ("loss", "keras"): """

def compute(dtype):
    keras.config.set_floatx(dtype)
    z = tf.constant(Z, dtype)
    y = tf.constant(Y, TARGETS)
    w = tf.constant(WEIGHTS, dtype)
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = VALUE
    return {"value": loss.numpy().reshape(1), "derivative": tape.gradient(loss, z).numpy()}
""",
    ("loss", "jax"): """

def compute(dtype):
    with jax.enable_x64(dtype == "float64"):
        y = jnp.array(Y, TARGETS)
        w = jnp.array(WEIGHTS, dtype)
        loss, dz = jax.value_and_grad(lambda z: VALUE)(jnp.array(Z, dtype))
        return {"value": np.array(loss).reshape(1), "derivative": np.array(dz)}
""",
}
"""By kind and backend; each defines `compute(dtype)`."""
