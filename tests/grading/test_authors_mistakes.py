"""What a lab's author gets wrong in a check or a template is told with file and line; exit status 2."""

from __future__ import annotations

import pytest

from tests.grading.conftest import SmallLab

pytestmark = pytest.mark.namespaces

# A file of checks with the faulty line marked "# here", and what is said about it.
MISTAKES = {
    "no marker": ('def test_one(v0):  # here\n    """One."""', "test_one needs @pytest.mark.points(N)"),
    "no number": (
        '@pytest.mark.points("100")  # here\ndef test_one(v0):\n    """One."""',
        "test_one needs @pytest.mark.points(N)",
    ),
    "no docstring": (
        "@pytest.mark.points(100)  # here\ndef test_one(v0):\n    pass",
        "test_one needs a docstring",
    ),
    "unknown requires": (
        '@pytest.mark.points(100, requires=["two"])  # here\ndef test_one(v0):\n    """One."""',
        "requires 'two', which is no check of this lab (there are: one)",
    ),
    "requires that is no list": (
        '@pytest.mark.points(100, requires="one")  # here\ndef test_one(v0):\n    """One."""',
        "requires='one' must be a list: requires=['one']",
    ),
    "unknown option": (
        '@pytest.mark.points(100, require=["one"])  # here\ndef test_one(v0):\n    """One."""',
        "points() does not know require; it knows ",
    ),
    "circle": (
        (
            '@pytest.mark.points(50, requires=["two"])  # here\ndef test_one(v0):\n    """One."""\n\n\n'
            '@pytest.mark.points(50, requires=["one"])\ndef test_two(v0):\n    """Two."""'
        ),
        "these checks require each other in a circle: one, two",
    ),
    "requires itself": (
        '@pytest.mark.points(100, requires=["one"])  # here\ndef test_one(v0):\n    """One."""',
        "these checks require each other in a circle: one",
    ),
    "parametrized": (
        '@pytest.mark.parametrize("x", [1])  # here\n@pytest.mark.points(1)\ndef test_one(x):\n    "One."',
        "a check cannot be parametrized",
    ),
    "syntax error": (
        '@pytest.mark.points(100)\ndef test_one(v0)  # here\n    """One."""',
        "SyntaxError: expected ':'",
    ),
    "import error": (
        "import no_such_module  # here",
        "ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "error while imported": ("1 / 0  # here", "ZeroDivisionError: division by zero"),
    "unknown fixture": (
        '@pytest.mark.points(100)  # here\ndef test_one(v9):\n    """One."""',
        "test_one asks for 'v9', which is no fixture; there are the hosts v0, v1, and lab",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_check_is_told_with_file_and_line(lab: SmallLab, mistake: str) -> None:
    text, said = MISTAKES[mistake]
    path = lab.write(text + "\n")
    line = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if line.endswith("# here"))
    run = lab.check()
    assert (run.status, run.out, run.report) == (2, "", None)
    assert f"test_it.py:{line}: " in run.err
    assert said in run.err
    assert "Traceback" not in run.err


def test_points_that_do_not_add_up_are_told(lab: SmallLab) -> None:
    lab.write('@pytest.mark.points(90)\ndef test_one(v0):\n    """One."""\n')
    run = lab.check()
    assert (run.status, run.out) == (2, "")
    assert f"{lab.folder}/lab.yaml:3: points is 100, but the checks add up to 90; make them agree." in run.err


def test_a_check_that_is_there_twice_is_told(lab: SmallLab) -> None:
    text = '@pytest.mark.points(50)\ndef test_one(v0):\n    """One."""\n'
    lab.write(text)
    lab.write(text, "test_that.py")
    run = lab.check()
    assert (run.status, run.out) == (2, "")
    assert "there is a check one already, at" in run.err


def test_a_lab_without_checks_is_told(lab: SmallLab) -> None:
    run = lab.check()
    assert (run.status, run.out) == (2, "")
    assert f"{lab.folder}/checks: " in run.err


def test_a_template_that_cannot_be_rendered_is_told(lab: SmallLab) -> None:
    (lab.folder / "templates").mkdir()
    (lab.folder / "templates/ifcfg.j2").write_text("DEVICE={{ interface }}\nIPADDR={{ adress }}\n")
    lab.write('@pytest.mark.points(100)\ndef test_one(v0):\n    """One."""\n')
    run = lab.check()
    assert (run.status, run.out) == (2, "")
    assert f"{lab.folder}/templates/ifcfg.j2:2: 'adress' is undefined" in run.err


def test_an_account_that_is_not_there_is_told(lab: SmallLab) -> None:
    lab.change("owner: student", "owner: sutdent")
    lab.write('@pytest.mark.points(100)\ndef test_one(v0):\n    """One."""\n')
    run = lab.check()
    assert (run.status, run.out) == (2, "")
    assert "lab.yaml: there is no account sutdent on v0, which is to own a file there." in run.err
