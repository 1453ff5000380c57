"""PyTorch itself, or one sentence on why it is not there."""

from backends.interface import BackendUnavailable

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise BackendUnavailable(f"PyTorch cannot be imported ({error}). Install it: pip install torch") from error

__all__ = ["functional", "torch"]
