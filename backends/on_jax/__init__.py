"""JAX as a backend: a network of `jax.nn` and `jax.numpy` functions, Optax losses and optimizers, a jitted step."""
