"""Comparisons: pairs of results put on the precision ladder, and what follows from them."""
