"""Sweeps: many sets of hyperparameters times many seeds, stacked where they share their batches, resumable, on many machines."""
