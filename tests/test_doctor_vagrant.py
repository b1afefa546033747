"""./lab doctor --provider vagrant, on this machine and on this machine with something given or taken away.

There is no VirtualBox on the machines that these tests run on: a program in its place prints what it prints.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

DOCTOR = [sys.executable, "-P", "-m", "labgrader", "doctor"]
VAGRANT = [*DOCTOR, "--provider", "vagrant"]
# Programs in their makers' place: the words are theirs.
PROGRAMS = {
    "vagrant": 'if [ $1 = --version ]; then echo "Vagrant 2.3.4"; else echo "vagrant-libvirt (0.11.2)"; fi',
    "virsh": "case $3 in version) echo Running hypervisor: QEMU 7.2;; esac",
    "qemu-system-x86_64": "exit 0",
    "dnsmasq": "exit 0",
    "iptables": "exit 0",
}
VIRTUALBOX = """case $1 in
--version) {version} ;;
list) echo "Default machine folder:          {folder}" ;;
esac"""

only_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="not applicable: only root makes networks of its own"
)


class Machine:
    """This machine as the doctor is to see it: the system's commands, and the programs put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir()
        (folder / "home").mkdir()

    def put(self, name: str, script: str | None = None) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{PROGRAMS[name] if script is None else script}\n")
        path.chmod(0o755)

    def hide(self, *names: str) -> str:
        found = [
            Path(folder, name) for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin") for name in names
        ]
        real = sorted({os.path.realpath(path) for path in found if path.exists()})
        return "\n".join(f"mount --bind /dev/null {path}" for path in real)

    def doctor(
        self,
        *arguments: str,
        setup: str = "",
        network: bool = False,
        argv: list[str] = VAGRANT,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("VAGRANT", "LABGRADER_LIB"))
        }
        env = {**kept, "VAGRANT_HOME": str(self.folder / "home"), **environment}
        env["PATH"] = f"{self.programs}:{env['PATH']}"
        command = [*argv, *arguments]
        if setup or network:
            apart = ["unshare", "--mount", *(["--net"] if network else [])]
            command = [*apart, "sh", "-ec", f'{setup or ":"}\nexec "$@"', "sh", *command]
        return subprocess.run(
            command, cwd="/", env=env, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def with_libvirt(machine: Machine) -> Machine:
    for name in PROGRAMS:
        machine.put(name)
    return machine


def lines_of(done: subprocess.CompletedProcess[str], heading: str | None = None) -> dict[str, list[str]]:
    """The whole lines of each check by its name; `heading` = the provider whose part is meant."""
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    if heading is not None:
        begin = next(number for number, line in enumerate(lines) if line.startswith(f"{heading}: "))
        lines = lines[begin + 1 :]
    found: dict[str, list[str]] = {}
    for line in lines:
        if line[:7].strip() in ("ok", "lacks", "note"):
            found.setdefault(line[7:].split(": ")[0], []).append(line)
    return found


@only_root
def test_a_machine_without_vagrant_is_told_how_to_have_one(machine: Machine) -> None:
    done = machine.doctor(setup=machine.hide("vagrant", "VBoxManage", "virsh"))
    assert done.returncode == 1
    found = lines_of(done)
    assert found["Vagrant"][0].startswith(
        "lacks  Vagrant: not on this machine; "
        "run: apt-get install --no-install-recommends vagrant, or for the newest: "
    )
    assert found["VirtualBox"][0].startswith("lacks  VirtualBox: not on this machine; run: ")
    assert found["virsh"][0].startswith("lacks  virsh: not on this machine; run: apt-get install ")
    assert "libvirt's daemon" not in found
    assert done.stdout.endswith("\nThe provider vagrant cannot be used on this machine.\n")


def test_a_vagrant_that_is_too_old_is_named(with_libvirt: Machine) -> None:
    with_libvirt.put("vagrant", "echo Vagrant 2.2.19")
    done = with_libvirt.doctor(LABGRADER_LIBVIRT_DRIVER="qemu")
    assert done.returncode == 1
    assert lines_of(done)["Vagrant"][0].startswith("lacks  Vagrant: 2.2.19 is older than 2.3.0; run: ")


def test_a_vagrant_that_cannot_start_is_told_in_its_own_words(with_libvirt: Machine) -> None:
    with_libvirt.put("vagrant", "echo 'vagrant: cannot load such file -- bundler (LoadError)' >&2; exit 1")
    (line,) = lines_of(with_libvirt.doctor())["Vagrant"]
    assert (
        "tells no version: vagrant: cannot load such file -- bundler (LoadError); install it anew, run: "
        in line
    )


@only_root
def test_libvirt_alone_is_enough_and_the_verdict_says_how_it_is_chosen(with_libvirt: Machine) -> None:
    setup = with_libvirt.hide("VBoxManage")
    done = with_libvirt.doctor(setup=setup, network=True, LABGRADER_LIBVIRT_DRIVER="qemu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(
        "\nThe provider vagrant can be used on this machine with libvirt (VAGRANT_DEFAULT_PROVIDER=libvirt), "
        "not with VirtualBox.\n"
    )
    assert lines_of(done)["/dev/kvm"][0].startswith("note   /dev/kvm: machines run under software emulation")


@only_root
def test_a_machine_without_kvm_is_judged_as_grading_uses_it(with_libvirt: Machine) -> None:
    """Where no driver is asked for, machines are emulated: slow, and no reason to turn a night down."""
    setup = 'grep -v "^flags" /proc/cpuinfo >"$HOME/cpus"; mount --bind "$HOME/cpus" /proc/cpuinfo'
    home = str(with_libvirt.folder)
    for driver, state, status in (("", "note", 0), ("kvm", "lacks", 1)):
        done = with_libvirt.doctor(
            setup=setup, network=True, HOME=home, VAGRANT_DEFAULT_PROVIDER="libvirt",
            LABGRADER_LIBVIRT_DRIVER=driver,
        )  # fmt: skip
        assert lines_of(done)["/dev/kvm"][0].startswith(f"{state:5}  /dev/kvm: "), done.stdout
        assert done.returncode == status, done.stdout


@only_root
def test_the_night_begins_only_where_the_way_that_it_takes_is_good(with_libvirt: Machine) -> None:
    """libvirt alone is enough for the doctor; a run that would take VirtualBox ends there."""
    setup = with_libvirt.hide("VBoxManage")
    words = ["nightly", "tcp-server", "--providers", "vagrant", "--out", str(with_libvirt.folder / "out")]
    done = with_libvirt.doctor(
        setup=setup, network=True, argv=[*DOCTOR[:-1], *words], LABGRADER_LIBVIRT_DRIVER="qemu",
        XDG_STATE_HOME=str(with_libvirt.folder), XDG_RUNTIME_DIR=str(with_libvirt.folder),
    )  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr
    failures = (with_libvirt.folder / "out/failures.txt").read_text().splitlines()
    assert len(failures) == 1, failures
    assert failures[0].startswith("doctor: WRONG  vagrant: doctor: lacks  VirtualBox: not on this machine; ")
    assert failures[0].endswith(" / The provider vagrant cannot be used on this machine.")


@only_root
def test_the_chosen_way_alone_is_looked_at(with_libvirt: Machine) -> None:
    done = with_libvirt.doctor(
        network=True, VAGRANT_DEFAULT_PROVIDER="libvirt", LABGRADER_LIBVIRT_DRIVER="qemu"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VirtualBox" not in lines_of(done)
    assert done.stdout.endswith("\nThe provider vagrant can be used on this machine with libvirt.\n")
    wrong = with_libvirt.doctor(VAGRANT_DEFAULT_PROVIDER="vmware_desktop")
    assert wrong.returncode == 1
    assert lines_of(wrong)["settings"][0].startswith(
        "lacks  settings: VAGRANT_DEFAULT_PROVIDER=vmware_desktop: "
    )


@only_root
def test_libvirt_without_the_plugin_lacks_a_package(with_libvirt: Machine) -> None:
    with_libvirt.put(
        "vagrant", 'case $1 in --version) echo "Vagrant 2.3.4";; *) echo "No plugins installed.";; esac'
    )
    done = with_libvirt.doctor(VAGRANT_DEFAULT_PROVIDER="libvirt", LABGRADER_LIBVIRT_DRIVER="qemu")
    assert done.returncode == 1
    (line,) = lines_of(done)["vagrant-libvirt"]
    assert line == (
        "lacks  vagrant-libvirt: Vagrant has no such plugin; "
        "run: apt-get install --no-install-recommends vagrant-libvirt"
    )


HOME_NETWORK = """
ip link add home0 type veth peer name home1
ip link set home1 up
ip addr add 192.168.1.17/24 dev home0
ip link set home0 up
ip route add 192.168.0.0/16 dev home0
"""


@only_root
def test_a_home_network_like_a_labs_bars_nothing(with_libvirt: Machine) -> None:
    with_libvirt.put("VBoxManage", VIRTUALBOX.format(version="echo 7.0.20r163906", folder="/tmp"))
    done = with_libvirt.doctor(setup=HOME_NETWORK, network=True, LABGRADER_LIBVIRT_DRIVER="qemu")
    found = lines_of(done)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "note   addresses with libvirt: 192.168.1.0/24 (network-services, tcp-server) is also this machine's "
        "192.168.1.0/24 (home0); harmless, the labs' networks have no address on this machine"
    ) in found["addresses with libvirt"]
    assert found["addresses with VirtualBox"][-1].endswith(
        "; harmless, the labs' networks are internal to VirtualBox"
    )
    for way in ("libvirt", "VirtualBox"):
        assert all(line.startswith("note ") for line in found[f"addresses with {way}"])


@only_root
def test_a_network_that_is_libvirts_for_management_bars_libvirt(with_libvirt: Machine) -> None:
    setup = f"{HOME_NETWORK}ip addr add 10.121.0.9/24 dev home0\n"
    done = with_libvirt.doctor(setup=setup, network=True, LABGRADER_LIBVIRT_DRIVER="qemu")
    assert done.returncode == 1
    assert (
        "lacks  addresses with libvirt: 10.121.0.0/24 (management) is also this machine's 10.121.0.0/24 "
        "(home0); export LABGRADER_MANAGEMENT=10.X.0.0/24 with another X"
    ) in lines_of(done)["addresses with libvirt"]
    moved = with_libvirt.doctor(
        setup=setup,
        network=True,
        LABGRADER_LIBVIRT_DRIVER="qemu",
        LABGRADER_MANAGEMENT="10.77.0.0/24",
    )
    assert not any("management" in line for line in lines_of(moved)["addresses with libvirt"])
    assert moved.returncode == 0, moved.stdout + moved.stderr


@only_root
def test_a_virtualbox_without_its_module_is_told_and_its_version_read(with_libvirt: Machine) -> None:
    warning = (
        "printf 'WARNING: The vboxdrv kernel module is not loaded. Either there is no module\\n   available'"
    )
    folder = with_libvirt.folder / "VirtualBox VMs"
    script = VIRTUALBOX.format(version=f"{warning}; printf '\\n7.1.4r165100\\n'", folder=folder)
    with_libvirt.put("VBoxManage", script)
    done = with_libvirt.doctor(VAGRANT_DEFAULT_PROVIDER="virtualbox")
    found = lines_of(done)
    assert done.returncode == 1
    assert found["VirtualBox"] == [f"ok     VirtualBox: 7.1.4 ({with_libvirt.programs}/VBoxManage)"]
    assert found["Vagrant with VirtualBox"][0].startswith(
        "lacks  Vagrant with VirtualBox: Vagrant 2.3.4 and VirtualBox 7.1.4 do not go together; "
        "install Vagrant 2.4.2 or newer, run: "
    )
    release = platform.release()
    assert found["VirtualBox's kernel module"][0].startswith(
        f"lacks  VirtualBox's kernel module: there is no vboxdrv for the kernel that runs ({release}); run: "
    )
    assert found["VirtualBox's machine folder"][0].startswith(
        f"ok     VirtualBox's machine folder: {folder}, "
    )


@only_root
def test_an_old_virtualbox_and_a_bad_networks_conf_are_told(with_libvirt: Machine) -> None:
    with_libvirt.put("VBoxManage", VIRTUALBOX.format(version="echo 6.0.24r139119", folder="/tmp"))
    conf = with_libvirt.folder / "networks.conf"
    conf.write_text("# ours\n* 10.0.0.0/8\n192.168.0.0/16\n")
    setup = f"mount --bind {conf.parent} /mnt\n"
    if Path("/etc/vbox").is_dir():
        setup += f"mount --bind {conf.parent} /etc/vbox"
    else:  # a folder where there is none, on top of all of /etc and only for the doctor
        over = with_libvirt.folder / "over"
        setup += f"""
mkdir -p {over}
mount -t tmpfs none {over}
mkdir {over}/upper {over}/work
mount -t overlay -o lowerdir=/etc,upperdir={over}/upper,workdir={over}/work none /etc
mkdir /etc/vbox
cp /mnt/networks.conf /etc/vbox/"""
    found = lines_of(with_libvirt.doctor(setup=setup, VAGRANT_DEFAULT_PROVIDER="virtualbox"))
    assert found["VirtualBox"][0].startswith("lacks  VirtualBox: 6.0.24 is older than 6.1; run: ")
    (line,) = found["/etc/vbox/networks.conf"]
    assert line == (
        "note   /etc/vbox/networks.conf: line 3 does not begin with «* »: 192.168.0.0/16; the labs do "
        "without host-only networks, others do not; mend the line, run: sudoedit /etc/vbox/networks.conf"
    )


@only_root
def test_the_stand_in_is_never_taken_for_virtualbox(with_libvirt: Machine) -> None:
    with_libvirt.put(
        "VBoxManage", VIRTUALBOX.format(version="echo 7.0.20_LabgraderStandInOnQemu_r0", folder="/tmp")
    )
    done = with_libvirt.doctor(network=True, VAGRANT_DEFAULT_PROVIDER="virtualbox")
    found = lines_of(done)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "labgrader's stand-in on QEMU: no result on it is VirtualBox's" in found["VirtualBox"][0]
    assert "VirtualBox's kernel module" not in found
    assert done.stdout.endswith(
        "\nThe provider vagrant can be used on this machine with labgrader's stand-in for VirtualBox.\n"
    )


@only_root
def test_fix_installs_for_the_provider_that_is_named_and_for_no_other(machine: Machine) -> None:
    # In apt-get's place, because a test must not change the machine that it runs on.
    machine.put("apt-get", f'echo "$@" >>{machine.folder}/asked')
    setup = machine.hide("vagrant", "VBoxManage", "virsh")
    done = machine.doctor("--fix", setup=setup, LABGRADER_LIBVIRT_DRIVER="qemu")
    (asked,) = (machine.folder / "asked").read_text().splitlines()
    assert asked.startswith("-q -y install --no-install-recommends ")
    assert {"vagrant", "libvirt-daemon-system", "dnsmasq-base"} <= set(asked.split())
    assert "\nOnce more:\n" in done.stdout
    (machine.folder / "asked").unlink()
    all_of_them = machine.doctor("--fix", setup=setup, argv=DOCTOR)
    assert not (machine.folder / "asked").exists(), all_of_them.stdout


@pytest.mark.namespaces
@only_root
def test_without_a_provider_all_are_looked_at_and_namespaces_decide(machine: Machine) -> None:
    done = machine.doctor(setup=machine.hide("vagrant", "VBoxManage", "virsh"), argv=DOCTOR)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("netns: machines out of Linux namespaces\n")
    assert "\nvagrant: virtual machines\n" in done.stdout
    assert done.stdout.endswith(
        "\nThe provider netns can be used on this machine."
        "\nThe provider vagrant cannot be used on this machine.\n"
    )
    assert "Vagrant" in lines_of(done, "vagrant")


def test_a_provider_that_does_not_exist_is_wrong_usage(machine: Machine) -> None:
    done = machine.doctor(argv=[*DOCTOR, "--provider", "docker"])
    assert done.returncode == 2
    assert "There is no provider 'docker' (there are: netns, vagrant)." in done.stderr
