"""Multi-VM lab orchestration and automated grading."""

__version__ = "0.1.0"
