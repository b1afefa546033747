"""Reports for readers and for other programs: pure functions of what was graded.

FORMATS names what a class's results can be written as; `render` writes one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgrader.errors import UsageError

if TYPE_CHECKING:
    from labgrader.model.class_results import ClassResults
    from labgrader.reporters.written import Written


@dataclass(frozen=True)
class Format:
    """A format: the file that it writes (a folder ends in /), what it is for, and what it must be given."""

    file: str
    about: str
    template: bool = False
    column: bool = False


FORMATS: Mapping[str, Format] = {
    "gradebook": Format("gradebook.csv", "a table for a spreadsheet"),
    "html": Format("report.html", "the class on one page, for the instructor"),
    "junit": Format("junit.xml", "for programs that show test results"),
    "gradescope": Format("gradescope/", "results.json for each student, for Gradescope's autograder"),
    "classroom": Format("classroom/", "a result for each student, for GitHub Classroom's reporter"),
    "canvas": Format("canvas.csv", "a Canvas gradebook export, filled in", template=True, column=True),
    "moodle": Format("moodle.csv", "a Moodle grading worksheet, filled in", template=True),
}
# Written at the end of every grading: what needs nothing but the results.
ALWAYS = tuple(name for name, known in FORMATS.items() if not known.template)


def render(
    name: str, results: ClassResults, *, template: bytes | None = None, column: str | None = None
) -> Written:
    """The files of the format `name`, and what the instructor must be told of them.

    `template` is the instructor's own export (Canvas, Moodle), `column` the assignment to fill in (Canvas).
    UsageError for an unknown format, a template that is missing, or one that is not what it should be.
    """
    # Only what is asked for is loaded: a single check's feedback needs none of it.
    if name not in FORMATS:
        raise UsageError(f"--as {name[:40]}: there is {', '.join(FORMATS)}.")
    if FORMATS[name].template and template is None:
        raise UsageError(f"--as {name} writes {FORMATS[name].about}: name your export with --template FILE.")
    if name == "gradescope":
        from labgrader.reporters import gradescope

        return gradescope.render(results)
    if name == "classroom":
        from labgrader.reporters import classroom

        return classroom.render(results)
    if name == "canvas":
        from labgrader.reporters import canvas

        return canvas.render(results, template or b"", column)
    if name == "moodle":
        from labgrader.reporters import moodle

        return moodle.render(results, template or b"")
    return _one_file(name, results)


def _one_file(name: str, results: ClassResults) -> Written:
    from labgrader.reporters.written import Written

    if name == "gradebook":
        from labgrader.reporters import gradebook

        return Written({FORMATS[name].file: gradebook.render(results)})
    if name == "junit":
        from labgrader.reporters import junit

        return Written({FORMATS[name].file: junit.render(results)})
    from labgrader.reporters import class_html

    return Written({FORMATS[name].file: class_html.render(results)})
