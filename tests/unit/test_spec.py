"""What a lab's author gets wrong in lab.yaml is told with file, line, the fault and the remedy."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labgrader.errors import SpecError, UsageError
from labgrader.model import spec

Spoil = Callable[[str, str], Path]
ETH0 = "{network: lan0, address: 192.168.0.10/24}"

# What is replaced, by what, the words in whose line the fault is told, and what is said.
MISTAKES = {
    "unknown key": (
        "points: 100",
        "points: 100\ncheks: 1",
        "cheks:",
        "cheks: unknown key (there are: name, title",
    ),
    "misspelt key": (
        "\nparameters:",
        "\nparamaters:",
        "paramaters:",
        "unknown key; did you mean parameters?",
    ),
    "misspelt key of a host": (
        "student: true",
        "studnt: true",
        "studnt",
        "v0.studnt: unknown key; did you mean student?",
    ),
    "misspelt key of an interface": (
        ETH0,
        ETH0.replace("address", "adress"),
        "adress",
        "did you mean address?",
    ),
    "misspelt limit": (
        "limits: {memory_mb: 48, disk_mb: 4}",
        "limits: {memry_mb: 64}",
        "memry_mb",
        "did you mean memory_mb?",
    ),
    "missing key": ("title: A TCP server on V0, seen from V1\n", "", "name:", "title: is missing"),
    "bad address": ("192.168.0.10/24", "192.168.0.300/24", "192.168.0.300", "Octet 300"),
    "missing prefix": ("192.168.0.10/24", "192.168.0.10", "192.168.0.10}", "write it as 192.168.0.10/24"),
    "bad prefix": ("192.168.0.10/24", "192.168.0.10/40", "192.168.0.10/40", "'40' is not a valid netmask"),
    "bad gateway": (
        ETH0,
        "{network: lan0, gateway: 192.168.0}",
        "gateway",
        "Expected 4 octets in '192.168.0'",
    ),
    "unknown network": (
        ETH0,
        ETH0.replace("lan0", "lann"),
        "lann",
        "network lann is not among networks; did you mean lan",
    ),
    "unknown host": ("host: v0", "host: gw", "host: gw", "host gw is not there (there are: v0, v1)"),
    "misspelt service": ("service: network}", "service: netwrk}", "netwrk", "did you mean network?"),
    "unknown service of a submitted file": (
        "owner: student",
        "service: named",
        "service: named",
        "v0 has no service named",
    ),
    "early service whose file is handed in": (
        "owner: student,",
        "service: network,",
        "service: network, required",
        "it is handed in, so network of v0 cannot be early; take early from the service",
    ),
    "early service after one that is not": (
        "network: {early: true}\n    files:\n      - {path: /etc/sysconfig/network-scripts/ifcfg-eth0",
        (
            "xinetd: {}\n      network: {early: true}\n    files:\n"
            "      - {path: /etc/sysconfig/network-scripts/ifcfg-eth0"
        ),
        "network: {early",
        "it is early, and started after xinetd, which is not; name the early ones first",
    ),
    "address twice": (
        "eth1: {network: lan1, address: 192.168.1.11/24}",
        "eth7: {network: lan1, address: 192.168.1.10/24}",
        "eth7:",
        "192.168.1.10 is v0.eth1's already",
    ),
    "key twice": (
        "points: 100",
        "points: 100\npoints: 50",
        "points: 50",
        "points is there twice; the first is in line 3",
    ),
    "mode without quotes": ("owner: student", "mode: 644", "mode: 644", 'in quotes, such as "0644"'),
    "relative path": ("path: /home/student", "path: home/student", "path: home", "is not an absolute path"),
    "path that climbs": (
        "path: /home/student",
        "path: /home/../etc",
        "path: /home/..",
        "is not an absolute path",
    ),
    "default out of bounds": (
        "default: 11200",
        "default: 80",
        "default: 80",
        "default 80 is not within 1024 to 65535",
    ),
    "default that is no number": (
        "default: 11200",
        "default: many",
        "default: many",
        "should be a valid integer",
    ),
    "limit too small": (
        "limits: {memory_mb: 48, disk_mb: 4}",
        "limits: {memory_mb: 1}",
        "memory_mb: 1",
        "greater than or equal to 32",
    ),
    "no points": ("points: 100", "points: 0", "points: 0", "greater than 0"),
    "bad host name": ("  v1:\n", "  V_1:\n", "  V_1:", "lower-case letters, digits and hyphens"),
    "bad interface name": ("eth0: {", '"eth 0": {', '"eth 0"', "not an interface name"),
    "bad hostname": ("hostname: V0", 'hostname: "V 0"', 'hostname: "V 0"', "should match"),
    "open bracket": (
        "\nhosts:",
        "\nhosts: [",
        "    hostname: V0",
        "not valid YAML: did not find expected ',' or ']'",
    ),
    "tabulator": (
        "\nhosts:",
        "\n\thosts:",
        "\thosts:",
        "not valid YAML: found character that cannot start any token",
    ),
    "other name than its folder": (
        "name: tcp-server",
        "name: tcp-sever",
        "name:",
        "name is tcp-sever, its folder tcp-server",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_lab_file_is_told_with_line_and_remedy(mistake: str, spoil: Spoil) -> None:
    old, new, place, said = MISTAKES[mistake]
    path = spoil(old, new)
    text = path.read_text(encoding="utf-8")
    line = text[: text.index(place)].count("\n") + 1
    with pytest.raises(SpecError) as caught:
        spec.load(path)
    first = caught.value.message.splitlines()[0]
    assert first.startswith(f"{path}:{line}: ")
    assert said in first
    assert re.search(r"[^.?][.?]\Z", first)


def test_several_mistakes_are_told_at_once(spoil: Spoil) -> None:
    path = spoil("student: true", "studnt: true")
    spoil("points: 100", "points: none")
    with pytest.raises(SpecError) as caught:
        spec.load(path)
    assert [line.split(": ")[1] for line in caught.value.message.splitlines()] == [
        "points",
        "hosts.v0.studnt",
    ]


@pytest.mark.parametrize("text", ["", "hello", "- name: x", "3"])
def test_a_file_that_is_no_mapping_is_refused(lab_folder: Path, text: str) -> None:
    (lab_folder / "lab.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"lab\.yaml:1: a lab file is a mapping that begins with name"):
        spec.load(lab_folder / "lab.yaml")


def test_a_file_that_is_not_utf8_or_not_there_is_a_sentence(lab_folder: Path) -> None:
    (lab_folder / "lab.yaml").write_bytes(b"name: \xff")
    for path in (lab_folder / "lab.yaml", lab_folder / "nothing.yaml"):
        with pytest.raises(SpecError, match="cannot be read"):
            spec.load(path)


def test_an_alias_that_leads_to_itself_ends(lab_folder: Path) -> None:
    with pytest.raises(SpecError, match="title: is missing"):
        spec.load(_written(lab_folder, "name: tcp-server\nloop: &a [*a]\n"))


def test_an_unknown_lab_is_answered_with_the_nearest(lab_folder: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no lab 'tcp-sever'; did you mean tcp-server\?\Z"):
        spec.find("tcp-sever", lab_folder.parent)
    with pytest.raises(UsageError, match=r"There is no lab 'x' \(there are: tcp-server\)\.\Z"):
        spec.find("x", lab_folder.parent)
    with pytest.raises(UsageError, match=r"holds no lab\.yaml"):
        spec.find(str(lab_folder.parent))
    assert spec.find(str(lab_folder)) == spec.find("tcp-server", lab_folder.parent)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prot": "1"}, r"Lab tcp-server has no parameter 'prot'; did you mean port\?\Z"),
        ({"colour": "1"}, r"no parameter 'colour' \(there are: port\)\.\Z"),
        ({"port": "http"}, r"--set port=http: not a whole number\."),
        ({"port": "11200.5"}, r"--set port=11200\.5: not a whole number\."),
        ({"port": ""}, r"--set port=: not a whole number\."),
        ({"port": "1023"}, r"--set port=1023: not within 1024 to 65535\."),
        ({"port": "65536"}, r"--set port=65536: not within 1024 to 65535\."),
    ],
)
def test_a_bad_setting_is_told(lab_folder: Path, settings: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        spec.parameters(spec.load(lab_folder / "lab.yaml"), settings)


def test_settings_lie_over_defaults(lab_folder: Path) -> None:
    lab = spec.load(lab_folder / "lab.yaml")
    assert spec.parameters(lab, {}) == {"port": 11200}
    assert spec.parameters(lab, {"port": "65535"}) == {"port": 65535}


def test_the_digest_covers_what_decides_a_score_and_nothing_else(lab_folder: Path) -> None:
    def digest() -> str:
        return spec.load(lab_folder / "lab.yaml").digest

    first = digest()
    for name in ("mutants/new/tcp_server.py", "mutants/new/mutant.yaml", "checks/__pycache__/a.pyc"):
        target = lab_folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("something")
        assert digest() == first
    seen = {first}
    for path in (
        lab_folder / "checks/test_tcp_server.py",
        lab_folder / "lab.yaml",
        lab_folder / "reference/tcp_server.py",
        lab_folder.parent.parent / "templates/ifcfg.j2",
    ):
        with path.open("a") as file:
            file.write("\n# changed\n")
        seen.add(digest())
    (lab_folder / "checks/helper.py").write_text("")
    seen.add(digest())
    assert len(seen) == 6
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", item) for item in seen)


def test_the_digest_does_not_depend_on_where_the_lab_is(lab_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(lab_folder, tmp_path / "elsewhere/labs/tcp-server")
    shutil.copytree(lab_folder.parent.parent / "templates", tmp_path / "elsewhere/templates")
    here, there = (
        spec.load(folder / "lab.yaml") for folder in (lab_folder, tmp_path / "elsewhere/labs/tcp-server")
    )
    assert here.digest == there.digest


@pytest.mark.parametrize("name", spec.lab_names())
def test_every_lab_of_the_project_loads(name: str) -> None:
    lab = spec.find(name)
    assert (lab.name, lab.points) == (name, 100.0)
    assert spec.parameters(lab, {}).keys() == lab.parameters.keys()


def _written(folder: Path, text: str) -> Path:
    path = folder / "lab.yaml"
    path.write_text(text)
    return path
