"""Sweeps: many runs of one recipe with other numbers, trained side by side."""
