"""Keras 3 on TensorFlow as a backend: a `keras.Sequential`, Keras losses, Keras optimizers, a traced step."""
