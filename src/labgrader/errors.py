"""Whose fault it is, as a type: the author's, the student's, the user's or ours."""

from __future__ import annotations


class LabgraderError(Exception):
    """Any failure that labgrader tells in one sentence instead of a traceback.

    Takes one message: what went wrong, where, and what mends it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(LabgraderError):
    """The command was called wrongly (exit status 2)."""


class SpecError(LabgraderError):
    """The lab's author made a mistake in lab.yaml, a template or a check (exit status 2)."""


class SubmissionError(LabgraderError):
    """The student's files cannot be used; the report is `rejected` (exit status 1)."""


class LabError(LabgraderError):
    """Our machinery failed: a host, a connection, a daemon of ours. Never costs points (exit status 3)."""
