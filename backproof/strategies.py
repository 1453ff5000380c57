"""Hypothesis strategies for tests of your own: numbers with edge values, activations, losses, optimizers, networks, batches.

    from hypothesis import given, strategies as st
    from backproof.strategies import batches, networks

    @given(st.data(), networks(layers=2))
    def test_my_network_gives_finite_gradients(data, model):
        x, y = data.draw(batches(model, rows=5))
        assert np.isfinite(my_gradients(model, x, y)).all()

All numbers are exact in float32, so that the same ones go into every precision and every framework. `backproof fuzz` draws from
these strategies.
"""

from comparisons.fuzzing.domains import outputs, targets
from comparisons.fuzzing.edges import arrays, edge_values, numbers, with_non_finite
from comparisons.fuzzing.strategies import activations, batches, losses, networks, optimizers

__all__ = [
    "activations",
    "arrays",
    "batches",
    "edge_values",
    "losses",
    "networks",
    "numbers",
    "optimizers",
    "outputs",
    "targets",
    "with_non_finite",
]
