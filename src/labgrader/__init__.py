"""Multi-VM lab orchestration and automated grading."""
