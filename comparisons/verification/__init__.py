"""`backproof verify`: every operation of scratch on every backend, value, derivative, steps and state, on the ladder."""
