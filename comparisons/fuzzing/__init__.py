"""`backproof fuzz`: random operations, inputs and edge values against 34-digit arithmetic, shrunk to the smallest that differs."""
