"""One adapter per framework behind one interface, and the 34-digit arithmetic that judges them all."""

from backends.interface import Backend, BackendUnavailable, NotOffered, Pullback, Twin
from backends.registry import backend_names, load_backend

__all__ = ["Backend", "BackendUnavailable", "NotOffered", "Pullback", "Twin", "backend_names", "load_backend"]
