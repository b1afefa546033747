"""What the doctor makes of VirtualBox's texts, of version pairs, and of KVM beside it."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader import doctor_host as host
from labgrader.doctor_findings import State
from labgrader.doctor_host import Needs, Version
from labgrader.providers.vagrant import doctor_kvm as kvm
from labgrader.providers.vagrant import doctor_virtualbox as virtualbox
from labgrader.providers.vagrant.doctor_kvm import Kvm

NOT_LOADED = """\
WARNING: The vboxdrv kernel module is not loaded. Either there is no module
         available for the current kernel (5.4.0-42-generic) or it failed to
         load. Please recompile the kernel module and install it by

           sudo /sbin/vboxconfig

         You will not be able to start VMs until this problem is fixed.
"""
NO_DEVICE = """\
WARNING: The character device /dev/vboxdrv does not exist.
\t Please install the virtualbox-dkms package and the appropriate
\t headers, most likely linux-headers-amd64.

\t You will not be able to start VMs until this problem is fixed.
"""
STAND_IN = "7.0.20_LabgraderStandInOnQemu_r0\n"
PROPERTIES = """\
API version:                     7_0
Minimum guest RAM size:          4 Megabytes
Maximum guest RAM size:          2097152 Megabytes
Default machine folder:          /home/teacher/VirtualBox VMs
Raw-mode Supported:              no
Default hard disk format:        VDI
"""
INTEL = Kvm("kvm_intel", removable=True, users=0, at_load=True)
INTEL_OFF = Kvm("kvm_intel", removable=True, users=0, at_load=False)
VERSIONS = st.tuples(st.integers(6, 8), st.integers(0, 3), st.integers(0, 30))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("7.0.20r163906\n", (7, 0, 20)),
        ("7.0.16_Ubuntur162802\n", (7, 0, 16)),
        ("6.1.50_Debianr161033\n", (6, 1, 50)),
        ("7.1.4_SUSEr165100", (7, 1, 4)),
        ("7.2.0_BETA1r169000\n", (7, 2, 0)),
        (NOT_LOADED + "6.1.38r153438\n", (6, 1, 38)),
        (NO_DEVICE + "7.0.14_Debianr161095\n", (7, 0, 14)),
        (STAND_IN, (7, 0, 20)),
        (
            "WARNING: Environment variable LOGNAME or USER does not fit the effective user id.\n7.1.4r1\n",
            (7, 1, 4),
        ),
        (NOT_LOADED, None),
        ("VBoxManage: command not found\n", None),
        ("", None),
    ],
)
def test_the_version_stands_after_whatever_warnings(text: str, version: Version | None) -> None:
    assert virtualbox.version(text) == version


@given(st.text())
def test_no_text_in_place_of_a_version_is_too_much(text: str) -> None:
    found = virtualbox.version(text)
    assert found is None or len(found) == 3


def test_the_stand_in_is_known_by_its_version() -> None:
    assert virtualbox.stands_in(STAND_IN)
    assert not virtualbox.stands_in("7.0.20r163906\n")


@pytest.mark.parametrize(
    ("vagrant", "box", "state"),
    [
        ((2, 3, 4), (6, 1, 50), State.OK),
        ((2, 3, 4), (7, 0, 20), State.OK),
        ((2, 3, 1), (7, 0, 20), State.LACKS),
        ((2, 3, 4), (7, 1, 0), State.LACKS),
        ((2, 4, 1), (7, 1, 4), State.LACKS),
        ((2, 4, 2), (7, 1, 4), State.OK),
        ((2, 4, 8), (7, 2, 0), State.LACKS),
        ((2, 4, 9), (7, 2, 8), State.OK),
        ((2, 4, 9), (7, 3, 0), State.LACKS),
        ((2, 5, 0), (7, 3, 0), State.NOTE),
        ((2, 5, 0), (7, 2, 0), State.OK),
        ((2, 4, 9), (6, 0, 24), State.LACKS),
    ],
)
def test_pairs_of_vagrant_and_virtualbox(vagrant: Version, box: Version, state: State) -> None:
    found = virtualbox.goes_with(vagrant, box)
    assert found.state is state
    assert (found.remedy is None) == (state is State.OK)


def test_a_pair_that_does_not_go_together_names_both_ways_out() -> None:
    found = virtualbox.goes_with((2, 3, 4), (7, 1, 4))
    assert found.message == "Vagrant 2.3.4 and VirtualBox 7.1.4 do not go together"
    assert found.remedy is not None
    assert found.remedy.startswith("install Vagrant 2.4.2 or newer, run: ")
    assert ", or install VirtualBox 7.0, run: " in found.remedy
    assert found.remedy.endswith("virtualbox-7.0")


@pytest.mark.parametrize(
    ("release", "box", "present", "state", "words"),
    [
        ("6.1.0-40-amd64", (7, 0, 20), Kvm("kvm_intel"), State.OK, "only while a KVM machine runs"),
        ("6.1.0-40-amd64", (7, 0, 20), Kvm("kvm_intel", users=3), State.LACKS, "kvm_intel is in use"),
        ("6.12.48+deb13-amd64", (7, 0, 20), Kvm(), State.OK, "no KVM module"),
        ("6.12.48+deb13-amd64", (7, 0, 20), INTEL, State.LACKS, "kvm_intel took the virtualization"),
        ("6.12.48+deb13-amd64", (7, 0, 20), INTEL_OFF, State.OK, "leaves the virtualization to VirtualBox"),
        ("6.14.0-24-generic", (7, 2, 6), INTEL, State.LACKS, "kvm_intel took the virtualization"),
        ("6.12.48", (7, 2, 14), INTEL, State.LACKS, "kvm_intel took the virtualization"),
        ("6.12.48", (7, 2, 14), INTEL_OFF, State.OK, "leaves the virtualization to VirtualBox"),
        ("6.17.0-35-generic", (7, 1, 14), INTEL, State.LACKS, "kvm_intel took the virtualization"),
        ("6.17.0-35-generic", (7, 2, 8), INTEL, State.NOTE, "has failed for some"),
        ("6.17.0-35-generic", (7, 2, 8), INTEL_OFF, State.OK, "leaves the virtualization to VirtualBox"),
        ("6.17.0-35-generic", (7, 2, 10), INTEL, State.OK, "share the virtualization"),
        ("6.17.0-35-generic", (7, 2, 10), INTEL_OFF, State.LACKS, "which kvm.enable_virt_at_load=0 forbids"),
        ("7.1.0", (7, 2, 10), INTEL, State.NOTE, "panic"),
        ("7.1.4", (7, 2, 14), INTEL, State.OK, "share the virtualization"),
        ("7.1.4", (7, 2, 14), Kvm("kvm_amd", users=1, at_load=True), State.LACKS, "kvm_amd is in use"),
    ],
)
def test_kvm_beside_virtualbox(release: str, box: Version, present: Kvm, state: State, words: str) -> None:
    found = kvm.conflict(release, box, present)
    assert found.state is state
    assert words in found.message
    assert (found.remedy is None) == (state is State.OK)


def test_kvm_is_told_to_leave_the_virtualization_now_and_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert kvm.conflict("6.12.1", (7, 0, 20), INTEL).remedy == (
        "run: sudo modprobe -r kvm_intel kvm; for ever: echo 'options kvm enable_virt_at_load=0' "
        "| sudo tee /etc/modprobe.d/kvm-leaves-virtualization.conf"
    )
    built_in = Kvm("kvm_amd", removable=False, at_load=True)
    assert kvm.conflict("6.12.1", (7, 0, 20), built_in).remedy == (
        "add kvm.enable_virt_at_load=0 to GRUB_CMDLINE_LINUX in /etc/default/grub, "
        "run: sudo update-grub, and boot anew"
    )


def test_the_other_direction_names_where_it_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert kvm.conflict("6.18.1", (7, 2, 10), INTEL_OFF, ["/etc/modprobe.d/virtualbox.conf"]).remedy == (
        "take it out of /etc/modprobe.d/virtualbox.conf, "
        "then run: sudo modprobe -r kvm_intel kvm && sudo modprobe kvm_intel"
    )
    assert kvm.conflict("6.18.1", (7, 2, 10), INTEL_OFF, ["the kernel's command line"]).remedy == (
        "take it out of the kernel's command line (/etc/default/grub), run: sudo update-grub, and boot anew"
    )


@given(
    st.tuples(st.integers(5, 8), st.integers(0, 30)),
    VERSIONS,
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
)
def test_of_both_settings_of_kvm_one_lets_virtualbox_start(
    kernel: Version, box: Version, loaded: bool, removable: bool, users: int
) -> None:
    release = host.dotted(kernel)
    found = [
        kvm.conflict(release, box, Kvm("kvm_amd" if loaded else None, removable, users, at_load)).state
        for at_load in (True, False)
    ]
    if loaded and users:
        assert found == [State.LACKS, State.LACKS]
    else:
        assert any(state is not State.LACKS for state in found)
    if kernel < (6, 12) and not users:
        assert found == [State.OK, State.OK]


@pytest.mark.parametrize(
    ("line", "sets"),
    [
        ("options kvm enable_virt_at_load=0", True),
        ("options kvm     enable_virt_at_load=0", True),
        ("  options kvm ignore_msrs=1 enable_virt_at_load=N", True),
        ("options kvm enable_virt_at_load=1", False),
        ("# options kvm enable_virt_at_load=0", False),
        ("options kvm_intel nested=0", False),
        ("blacklist kvm", False),
        ("", False),
    ],
)
def test_files_that_forbid_kvm_the_virtualization_are_found(line: str, sets: bool) -> None:
    text = f"# modprobe.d(5)\n{line}\n"
    assert kvm.setters({"/etc/modprobe.d/a.conf": text}, "quiet") == (
        ["/etc/modprobe.d/a.conf"] if sets else []
    )


def test_the_kernels_command_line_may_forbid_it_too() -> None:
    assert kvm.setters({}, "BOOT_IMAGE=/vmlinuz quiet kvm.enable_virt_at_load=0 splash\n") == [
        "the kernel's command line"
    ]
    assert kvm.setters({}, "BOOT_IMAGE=/vmlinuz kvm.enable_virt_at_load=1\n") == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", []),
        ("* 0.0.0.0/0 ::/0\n", []),
        ("# allowed\n\n* 10.0.0.0/8 192.168.0.0/16\n* 2001::/64\n", []),
        ("*  192.168.56.1/21\n", []),
        ("10.0.0.0/8\n", ["line 1 does not begin with «* »: 10.0.0.0/8"]),
        ("* 10.0.0.0/8\n*192.168.0.0/16\n", ["line 2 does not begin with «* »: *192.168.0.0/16"]),
        ("*\n", ["line 1 names no range"]),
        ("* 10.0.0.0/8, 192.168.0.0/16\n", ["line 1: 10.0.0.0/8, is no address range"]),
        (
            "* 192.168.300.0/24 10.0.0.0/33\n",
            [
                "line 1: 192.168.300.0/24 is no address range",
                "line 1: 10.0.0.0/33 is no address range",
            ],
        ),
        ("* \x1b[31m\n", ["line 1: \\x1b[31m is no address range"]),
    ],
)
def test_lines_of_networks_conf(text: str, wrong: list[str]) -> None:
    assert virtualbox.networks_conf(text) == wrong


RANGES = st.lists(st.ip_addresses().map(lambda address: str(ipaddress.ip_network(address))), min_size=1)


@given(st.lists(RANGES | st.just(["# a remark"]) | st.just([""])))
def test_a_networks_conf_of_ranges_and_remarks_is_right(lines: list[list[str]]) -> None:
    text = "\n".join(
        " ".join(["*", *line]) if "." in line[0] or ":" in line[0] else line[0] for line in lines
    )
    assert virtualbox.networks_conf(text) == []


@given(st.text())
def test_no_text_in_place_of_networks_conf_is_too_much(text: str) -> None:
    for sentence in virtualbox.networks_conf(text):
        assert sentence.startswith("line ")
        assert "\n" not in sentence


def test_the_machine_folder_may_hold_blanks() -> None:
    assert virtualbox.machine_folder(PROPERTIES) == "/home/teacher/VirtualBox VMs"
    assert virtualbox.machine_folder(NOT_LOADED) is None


@pytest.mark.parametrize(
    ("mode", "group", "groups", "root", "lacking"),
    [
        (0o600, "root", ["students"], False, None),  # hardened: set-uid programs open it
        (0o660, "vboxusers", ["students"], False, "vboxusers"),
        (0o660, "vboxusers", ["students", "vboxusers"], False, None),
        (0o660, "vboxusers", [], True, None),
        (0o666, "vboxusers", [], False, None),
        (0o4750, "vboxusers", ["students"], False, "vboxusers"),
        (0o4511, "root", ["students"], False, None),
    ],
)
def test_a_group_is_asked_for_only_where_it_is_needed(
    mode: int, group: str, groups: list[str], root: bool, lacking: str | None
) -> None:
    assert virtualbox.access(mode, group, groups, root=root) == lacking


@pytest.mark.parametrize(("labs", "state"), [(1, State.OK), (10**9, State.NOTE)])
def test_room_for_one_lab_is_needed_and_for_all_is_better(tmp_path: Path, labs: int, state: State) -> None:
    found = virtualbox.disk("machines", tmp_path / "not" / "made" / "yet", Needs({}, labs, "", 0))
    assert found.state is state, found.line


def test_too_little_room_for_one_lab_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtualbox, "GREW_MB", 10**12)
    found = virtualbox.disk("machines", tmp_path, Needs({}, 1, "", 0))
    assert found.state is State.LACKS
    assert found.remedy == "free some"
