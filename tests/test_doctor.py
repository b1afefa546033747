"""./lab doctor on machines that lack something: this one, with one thing really taken away in namespaces."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labgrader import doctor as doctors
from labgrader.doctor_findings import Finding, State
from labgrader.providers.netns import doctor_image, image, kernel_says

ROOT = Path(__file__).resolve().parents[1]
DOCTOR = [sys.executable, "-P", "-m", "labgrader", "doctor", "--provider", "netns"]
TELNETD = (
    "Package: inetutils-telnet\nVersion: 9\n\nPackage: inetutils-telnetd\nStatus: install ok\nVersion: {}\n\n"
)

pytestmark = pytest.mark.namespaces
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="not applicable: only root can take things away")


@pytest.fixture(scope="module", autouse=True)
def an_image() -> Path:
    return image.ensure()[0]


@pytest.fixture
def runtime_folder() -> Iterator[Path]:
    """A folder of running labs of our own; a Unix socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="lab") as folder:
        yield Path(folder)


def doctor(
    setup: str = "", *, argv: list[str] = DOCTOR, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the doctor, after a shell's `setup` in a mount namespace of its own if there is any."""
    if setup:
        argv = ["unshare", "--mount", "sh", "-ec", f'{setup}\nexec "$@"', "sh", *argv]
    return subprocess.run(
        argv, cwd="/", env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=120
    )


def lines_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Each check's whole line by the check's name; nothing but such lines and the verdict is printed."""
    *lines, verdict = done.stdout.splitlines()
    assert verdict.startswith("The provider netns can"), done.stdout + done.stderr
    assert all(line[:7].strip() in ("ok", "lacks", "note") for line in lines), done.stdout
    return {line[7:].split(": ")[0]: line for line in lines}


def hide(*tools: str) -> str:
    """Shell lines that make commands unusable."""
    paths = {os.path.realpath(path) for tool in tools if (path := shutil.which(tool))}
    return "\n".join(f"mount --bind /dev/null {path}" for path in sorted(paths))


def test_on_this_machine_a_lab_really_comes_up() -> None:
    done = doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    found = lines_of(done)
    assert found["namespaces"] == "ok     namespaces: user, mount, network, pid, ipc, uts and cgroup"
    assert found["/proc in a namespace"] == "ok     /proc in a namespace: can be mounted"
    assert found["overlayfs in a namespace"] == "ok     overlayfs in a namespace: can be mounted"
    assert found["kernel"] == f"ok     kernel: {platform.release()}"
    assert found["a throw-away lab"].startswith("ok     a throw-away lab: a lab of two hosts came up in ")
    assert done.stdout.endswith("The provider netns can be used on this machine.\n")


@only_root
@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("user", "user"),
        ("network", "net"),
        ("mount", "mnt"),
        ("pid", "pid"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("cgroup", "cgroup"),
    ],
)
def test_a_kind_of_namespace_that_is_forbidden_is_named_with_its_setting(kind: str, setting: str) -> None:
    # A user namespace in which all ids are as outside, and the count of one kind is 0 for all that is in it.
    script = f'read -r go; exec sh -c \'echo 0 >/proc/sys/user/max_{setting}_namespaces; exec "$@"\' sh "$@"'
    argv = ["unshare", "--user", "sh", "-c", script, "sh", *DOCTOR]
    with subprocess.Popen(argv, cwd="/", stdin=-1, stdout=-1, stderr=-1, text=True) as process:
        outside = os.readlink("/proc/self/ns/user")
        while os.readlink(f"/proc/{process.pid}/ns/user") == outside:
            assert process.poll() is None
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}/{name}").write_text("0 0 4294967295")
        said, complaint = process.communicate("go\n", timeout=60)
    found = lines_of(subprocess.CompletedProcess(argv, process.returncode, said, complaint))
    assert process.returncode == 1
    line = found[f"{kind} namespaces"]
    assert line.startswith(f"lacks  {kind} namespaces: ")
    assert line.endswith(
        f"No space left on device; run: echo 'user.max_{setting}_namespaces = 15000' "
        "| tee /etc/sysctl.d/60-labgrader.conf && sysctl --system"
    )
    assert "a throw-away lab" not in found
    assert said.endswith("The provider netns cannot be used on this machine.\n")


@only_root
def test_a_machine_without_ip_lacks_iproute2() -> None:
    done = doctor(hide("ip"))
    assert done.returncode == 1
    install = "apt-get install --no-install-recommends iproute2"
    assert lines_of(done)["ip"] == f"lacks  ip: not on this machine; run: {install}"


@only_root
def test_mmdebstrap_and_archives_are_needed_only_where_there_is_no_image(tmp_path: Path) -> None:
    setup = hide("mmdebstrap") + "\nmount -t tmpfs none /etc/apt"
    with_image = doctor(setup)
    found = lines_of(with_image)
    assert with_image.returncode == 0, with_image.stdout
    assert found["mmdebstrap"].startswith(
        "note   mmdebstrap: not on this machine, but only a new image would need it; run: apt-get install"
    )
    assert found["apt sources"].startswith("note   apt sources: /etc/apt names no archive of ")
    without = doctor(setup, env={"XDG_CACHE_HOME": str(tmp_path)})
    found = lines_of(without)
    assert without.returncode == 1
    assert found["mmdebstrap"].startswith("lacks  mmdebstrap: not on this machine; run: apt-get install")
    assert found["apt sources"].startswith("lacks  apt sources: /etc/apt names no archive of ")
    assert "; add the distribution's own archive there, or " in found["apt sources"]
    assert found["image"].startswith("note   image: not made yet; ./lab check makes it")


@only_root
def test_a_container_that_masks_proc_is_recognised() -> None:
    done = doctor("mount --bind /dev/null /proc/version")
    assert done.returncode == 1
    line = lines_of(done)["/proc in a namespace"]
    assert line.startswith("lacks  /proc in a namespace: cannot be mounted: ")
    assert "Operation not permitted" in line


@only_root
def test_an_old_kernel_is_named() -> None:
    done = doctor(argv=["setarch", platform.machine(), "--uname-2.6", *DOCTOR])
    assert done.returncode == 1
    line = lines_of(done)["kernel"]
    assert line.startswith("lacks  kernel: 2.6.")
    assert "cannot mount overlayfs in a user namespace, which 5.11 and newer can; boot a newer one" in line


def test_a_cache_that_cannot_be_written_is_told_with_its_remedy() -> None:
    done = doctor(env={"XDG_CACHE_HOME": "/proc/nowhere"})
    assert done.returncode == 1
    assert lines_of(done)["cache folder"] == (
        "lacks  cache folder: /proc/nowhere/labgrader/images cannot be written to: No such file or directory"
        "; set XDG_CACHE_HOME to a folder of yours"
    )


@only_root
def test_a_disk_too_small_for_an_image_is_told(tmp_path: Path) -> None:
    done = doctor(f"mount -t tmpfs -o size=1m none {tmp_path}", env={"XDG_CACHE_HOME": str(tmp_path)})
    assert done.returncode == 1
    needed = image.BUILD_BYTES >> 20
    assert lines_of(done)["disk"].endswith(
        f"; building an image takes {needed} MB; free some, or set XDG_CACHE_HOME to a folder with more"
    )


@only_root
def test_an_old_image_and_an_unsafe_telnetd_are_noted(tmp_path: Path, an_image: Path) -> None:
    status = "var/lib/dpkg/status"
    setup = f"""
mkdir {tmp_path}/upper {tmp_path}/work
mount -t overlay -o lowerdir={an_image},upperdir={tmp_path}/upper,workdir={tmp_path}/work none {an_image}
sed -i '/^Package: inetutils-telnetd$/,/^$/ s/^Version: .*/Version: 2:2.4-2+deb12u1/' {an_image}/{status}
touch -d '40 days ago' {an_image}/{status}
"""
    done = doctor(setup)
    found = lines_of(done)
    assert found["image"] == (
        "note   image: 40 days old; to have the security updates since, run: ./lab doctor --fix"
    )
    assert found["telnetd in the image"].startswith("note   telnetd in the image: 2:2.4-2+deb12u1")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("version", "suite", "state", "message"),
    [
        ("2:2.4-2+deb12u3", "bookworm", State.OK, "2:2.4-2+deb12u3, with CVE-2026-24061 fixed"),
        ("2:2.4-2+deb12u10", "bookworm", State.OK, "2:2.4-2+deb12u10, with CVE-2026-24061 fixed"),
        (
            "2:2.4-2+deb12u1",
            "bookworm",
            State.NOTE,
            "2:2.4-2+deb12u1 is older than 2:2.4-2+deb12u3, so a student may log in as root (CVE-2026-24061)",
        ),
        (
            "2:2.5-3ubuntu3",
            "noble",
            State.NOTE,
            (
                "2:2.5-3ubuntu3 is not newer than 2:2.5-3ubuntu4, "
                "so a student may log in as root (CVE-2026-24061)"
            ),
        ),
        (
            "2:2.5-3ubuntu4.2",
            "noble",
            State.OK,
            "2:2.5-3ubuntu4.2, with CVE-2026-24061 fixed as it was first published",
        ),
        (
            "2:2.6-3",
            "trixie",
            State.NOTE,
            "2:2.6-3 is not newer than 2:2.6-3, so a student may log in as root (CVE-2026-24061)",
        ),
        (
            "2:2.6-3+deb13u1",
            "trixie",
            State.OK,
            "2:2.6-3+deb13u1, with CVE-2026-24061 fixed as it was first published",
        ),
        (
            "2:2.9-1",
            "forky",
            State.NOTE,
            "2:2.9-1; whether CVE-2026-24061 is fixed in it is not known here for forky",
        ),
    ],
)
def test_the_images_telnetd_is_judged_by_its_version(
    version: str, suite: str, state: State, message: str
) -> None:
    found = doctor_image.telnetd(TELNETD.format(version), suite)
    assert (found.state, found.message) == (state, message)


def test_a_telnetd_that_is_not_listed_is_unknown() -> None:
    found = doctor_image.telnetd("Package: xinetd\nVersion: 1\n", "bookworm")
    assert found.line == "note   telnetd in the image: its version is unknown; run: ./lab doctor --fix"


def test_ubuntus_restriction_is_answered_with_a_profile_for_this_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend_settings(tmp_path, monkeypatch, apparmor_restrict_unprivileged_userns="1")
    remedy = kernel_says.why_no_namespaces("user")
    before, _, after = remedy.partition(" | ")
    assert before.startswith(
        "AppArmor keeps user namespaces from programs without a profile "
        "(kernel.apparmor_restrict_unprivileged_userns); to give this Python one, run: printf "
    )
    assert after == "sudo tee /etc/apparmor.d/labgrader && sudo apparmor_parser -r /etc/apparmor.d/labgrader"
    written = subprocess.run(
        ["sh", "-c", before.partition("run: ")[2]], capture_output=True, text=True
    ).stdout
    assert written == (
        "abi <abi/4.0>,\ninclude <tunables/global>\n"
        f'profile labgrader "{os.path.realpath(sys.executable)}" flags=(unconfined) {{\n  userns,\n}}\n'
    )


def test_debians_old_switch_is_answered_with_its_sysctl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend_settings(tmp_path, monkeypatch, unprivileged_userns_clone="0")
    assert kernel_says.why_no_namespaces("user") == (
        "run: echo 'kernel.unprivileged_userns_clone = 1' "
        "| sudo tee /etc/sysctl.d/60-labgrader.conf && sudo sysctl --system"
    )


def _pretend_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    # This kernel has none of these settings, so that there is nothing to try them on.
    (tmp_path / "kernel").mkdir()
    for name, value in settings.items():
        (tmp_path / "kernel" / name).write_text(value + "\n")
    monkeypatch.setattr(kernel_says, "SYSCTL", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@only_root
def test_a_network_that_the_machine_has_too_is_told_and_harmless() -> None:
    script = """
ip link add home0 type veth peer name home1
ip link set home1 up
ip addr add 192.168.1.17/24 dev home0
ip link set home0 up
exec "$@"
"""
    done = doctor(argv=["unshare", "--net", "sh", "-ec", script, "sh", *DOCTOR])
    assert done.returncode == 0, done.stdout + done.stderr
    found = lines_of(done)
    assert found["addresses"] == (
        "note   addresses: 192.168.1.0/24 (network-services, tcp-server) is also this machine's "
        "192.168.1.0/24 (home0); harmless, the labs' networks lie in namespaces of their own"
    )
    assert found["a throw-away lab"].startswith("ok ")


def test_fix_removes_what_a_killed_run_left(runtime_folder: Path) -> None:
    dead = runtime_folder / "labgrader" / "deadbeef"
    dead.mkdir(parents=True, mode=0o700)
    (dead / "lock").touch()
    env = {"XDG_RUNTIME_DIR": str(runtime_folder)}
    line = lines_of(doctor(env=env))["left-over labs"]
    assert line.startswith("note   left-over labs: ")
    assert line.endswith(("of a killed run; run: ./lab clean", "of killed runs; run: ./lab clean"))
    assert dead.exists()
    done = doctor(argv=[*DOCTOR, "--fix"], env=env)
    assert done.returncode == 0
    assert f"Removed what killed runs had left behind: folder {dead}" in done.stdout
    assert "\nOnce more:\n" in done.stdout
    assert not dead.exists()


@only_root
@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("exit 0", "Installed iproute2."),
        (
            "echo 'E: Unable to locate package iproute2' >&2; exit 100",
            "iproute2 could not be installed: E: Unable to locate package iproute2",
        ),
        ("exit 7", "iproute2 could not be installed: apt-get exited with 7"),
    ],
)
def test_fix_installs_packages_with_apt(tmp_path: Path, script: str, sentence: str) -> None:
    # In apt-get's place, because a test must not change the machine that it runs on.
    tool = tmp_path / "apt-get"
    tool.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n{script}\n')
    tool.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = doctor(hide("ip"), argv=[*DOCTOR, "--fix"], env=env)
    assert sentence in done.stdout.splitlines()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "-q -y install --no-install-recommends iproute2"
    assert (len(asked) == 1) == (script == "exit 0")


def test_one_remedy_for_two_findings_is_carried_out_once() -> None:
    done: list[str] = []

    def fix() -> str:
        done.append("once")
        return "Mended."

    findings = [Finding(State.NOTE, name, "", fix=fix) for name in ("image", "telnetd")]
    findings.append(Finding(State.OK, "fine", "", fix=fix))
    assert doctors.mend(findings) == ["Mended."]
    assert done == ["once"]


@only_root
def test_a_user_without_subordinate_ids_is_told_what_grants_some(tmp_path: Path) -> None:
    (tmp_path / "granted").write_text("somebody:100000:65536\n")
    setup = "\n".join(f"mount --bind {tmp_path}/granted /etc/{name}" for name in ("subuid", "subgid"))
    done = _as_nobody(tmp_path, setup)
    assert done.returncode == 1
    assert lines_of(done)["subordinate ids"] == (
        "lacks  subordinate ids: /etc/subuid grants nobody no 65536 subordinate ids, which a lab's hosts "
        "need; have an administrator run: sudo usermod "
        "--add-subuids 165536-231071 --add-subgids 165536-231071 nobody"
    )


@only_root
def test_a_newuidmap_that_has_lost_its_privilege_is_told(tmp_path: Path) -> None:
    tool = shutil.which("newuidmap")
    if tool is None:
        pytest.skip("not applicable: there is no newuidmap here whose privilege could be taken")
    setup = f"""
echo nobody:300000:65536 >{tmp_path}/granted
mount --bind {tmp_path}/granted /etc/subuid
mount --bind {tmp_path}/granted /etc/subgid
cp {tool} {tmp_path}/newuidmap
chmod 755 {tmp_path}/newuidmap
mount --bind {tmp_path}/newuidmap {tool}
"""
    done = _as_nobody(tmp_path, setup)
    assert done.returncode == 1
    found = lines_of(done)
    assert found["subordinate ids"] == "ok     subordinate ids: 65536 from 300000"
    assert found["newuidmap"] == (
        f"lacks  newuidmap: {tool} is neither set-uid root nor has capabilities; run: sudo chmod u+s {tool}"
    )
    assert found["ids in a user namespace"].startswith("lacks  ids in a user namespace: newuidmap: ")


def _as_nobody(tmp_path: Path, setup: str) -> subprocess.CompletedProcess[str]:
    """Run the doctor as an ordinary user, with a Python that he may run."""
    site = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    home = tmp_path / "home"
    home.mkdir()
    shutil.chown(home, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    env = {"HOME": str(home), "PYTHONPATH": f"{ROOT / 'src'}:{site}", "PYTHONDONTWRITEBYTECODE": "1"}
    version = ".".join(platform.python_version_tuple()[:2])
    # It must be able to start itself, too: setpriv still has the powers that it is about to drop.
    code = (
        "import labgrader.model.spec, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    )
    for python in (sys.executable, f"/usr/bin/python{version}"):
        argv = [*drop, python, "-P", "-c", code]
        if subprocess.run(argv, cwd="/", env={**os.environ, **env}, capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("not applicable: an ordinary user may run neither this Python nor the system's")
    return doctor(
        setup or ":", argv=[*drop, python, "-P", "-m", "labgrader", "doctor", "--provider", "netns"], env=env
    )
