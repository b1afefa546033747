"""Templates to files: an author's slip is told with template and line; a student's text is never rendered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labgrader.errors import SpecError
from labgrader.model import spec
from labgrader.model.render import RenderedFile, files_for
from labgrader.model.topology import topology

ETH0 = "/etc/sysconfig/network-scripts/ifcfg-eth0"


def rendered(lab_folder: Path, submitted: Mapping[str, bytes] | None = None) -> list[RenderedFile]:
    lab = spec.load(lab_folder / "lab.yaml")
    return files_for(lab, topology(lab), spec.parameters(lab, {}), submitted or {})


def template(lab_folder: Path, text: str) -> Path:
    """The lab's own ifcfg, which comes before the shared one."""
    path = lab_folder / "templates" / "ifcfg.j2"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_given_files_are_rendered_and_missing_ones_stood_in_for(lab_folder: Path) -> None:
    files = {(file.host, file.path): file for file in rendered(lab_folder)}
    assert b"IPADDR=192.168.0.10" in files["v0", ETH0].content
    assert (files["v0", ETH0].owner, files["v0", ETH0].mode, files["v0", ETH0].service) == (
        "root",
        0o644,
        "network",
    )
    server = files["v0", "/home/student/tcp_server.py"]
    assert server.content == (lab_folder / "reference/tcp_server.py").read_bytes()
    assert server.submitted is None


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=200)
    | st.sampled_from([b"{{ 7*7 }}", b"{% include '/etc/shadow' %}", b"{{ lab }}\r\n"])
)
def test_a_students_text_comes_through_untouched(lab_folder: Path, text: bytes) -> None:
    server = rendered(lab_folder, {"tcp_server.py": text})[-1]
    assert (server.content, server.submitted) == (text, "tcp_server.py")


def test_a_name_that_is_not_there_is_told_with_line_and_the_known_names(lab_folder: Path) -> None:
    path = template(lab_folder, "DEVICE={{ interface }}\n\nIPADDR={{ adress }}\n")
    with pytest.raises(SpecError) as caught:
        rendered(lab_folder)
    assert caught.value.message == (
        f"{path}:3: 'adress' is undefined while rendering {ETH0} of v0; "
        "known names: host, interface, lab, machines, parameters."
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a\n{{ interface.colour }}\n", 2, "has no attribute 'colour'"),
        ("a\n{% if interface %}\n", 2, "Unexpected end of template"),
        ("a\nb\n{{ interface + }}\n", 3, "unexpected"),
        ("{% for x in 3 %}{% endfor %}\n", 1, "'int' object is not iterable"),
        ("a\n{{ interface + 1 }}\n", 2, "can only concatenate str"),
        ("a\n{{ interface | no_such_filter }}\n", 2, "No filter named 'no_such_filter'"),
        ("a\n{{ 1 // 0 }}\n", 2, "division"),
        ("a\n{% include 'gone.j2' %}\n", 2, "gone.j2"),
        ("a\n{{ machines['v9'].nics }}\n", 2, "v9"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_told_with_line(
    lab_folder: Path, text: str, line: int, said: str
) -> None:
    path = template(lab_folder, text)
    with pytest.raises(SpecError) as caught:
        rendered(lab_folder)
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert said in caught.value.message


def test_a_template_that_is_not_utf8_is_told(lab_folder: Path) -> None:
    template(lab_folder, "").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match=r"ifcfg\.j2: .*utf-8"):
        rendered(lab_folder)


def test_a_template_that_is_not_there_is_told_with_the_known_ones(lab_folder: Path) -> None:
    path = lab_folder / "lab.yaml"
    path.write_text(path.read_text().replace("template: ifcfg", "template: ifconfig", 1))
    with pytest.raises(SpecError, match=r"lab\.yaml:\d+: template 'ifconfig'.*did you mean ifcfg\?\Z"):
        rendered(lab_folder)


def test_a_reference_that_is_not_there_is_told(lab_folder: Path) -> None:
    (lab_folder / "reference/tcp_server.py").unlink()
    with pytest.raises(
        SpecError, match=r"reference/tcp_server\.py: the reference's tcp_server\.py is needed"
    ):
        rendered(lab_folder)
