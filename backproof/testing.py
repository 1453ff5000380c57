"""Tests that a backend of yours can run: `pytest.mark.parametrize("check", conformance(MyBackend()), ids=str)`."""

from comparisons.verification.conformance import Check, check_backend, conformance

__all__ = ["Check", "check_backend", "conformance"]
