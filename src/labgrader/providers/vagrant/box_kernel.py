"""The kernel of the Debian box and its initrd: both from Debian packages, unpacked and never installed.

The initrd holds every driver that a lab's machine needs, on VirtualBox and on QEMU alike, so that the
root file system needs no modules and no tool to load them.
"""

from __future__ import annotations

import gzip
import lzma
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labgrader.errors import LabError

META_PACKAGE = "linux-image-amd64"
BUSYBOX_PACKAGE = "busybox-static"
DOWNLOAD_S = 600.0
# Disks and network cards of VirtualBox and of QEMU, and what programs on a lab's machine ask the kernel for,
# which would otherwise be loaded on demand: the answers of ss, the power button, capture filters.
DRIVERS = (
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "virtio_net",
    "virtio_rng",
    "e1000",
    "ahci",
    "ata_piix",
    "sd_mod",
    "ext4",
    "crc32c_intel",
    "crc32c_generic",
    "button",
    "evdev",
    "tcp_diag",
    "udp_diag",
    "raw_diag",
    "inet_diag",
    "unix_diag",
    "af_packet_diag",
    "netlink_diag",
    "sch_fq_codel",
)
OPTIONAL = ("sch_fq_codel", "crc32c_intel")
ROOTS = ("/dev/vda2", "/dev/sda2", "/dev/xvda2")
INIT = f"""\
#!/bin/sh
b=/bin/busybox
$b mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do $b insmod $module; done 2>/dev/null
left=300
while [ $left -gt 0 ]; do
  for disk in {" ".join(ROOTS)}; do
    if [ -b $disk ] && $b mount -t ext4 -o rw,noatime $disk /root; then
      $b umount /dev
      exec $b switch_root /root /usr/bin/python3 -IS /usr/lib/labgrader/vm_init.py
    fi
  done
  left=$((left - 1))
  $b usleep 50000
done
echo "no disk of this machine has the box's root file system: {" ".join(ROOTS)}" >/dev/console
exec $b poweroff -f
"""


@dataclass(frozen=True)
class Packages:
    """The Debian packages that a box boots with: name and version of each."""

    kernel: str
    kernel_version: str
    busybox_version: str


@dataclass(frozen=True)
class Boot:
    """What the boot loader loads, and the kernel's release such as 6.1.0-38-amd64."""

    vmlinuz: Path
    initrd: Path
    release: str


def packages() -> Packages:
    """The newest kernel that this machine's archives offer. LabError where they offer none."""
    asked = _words(["apt-cache", "depends", META_PACKAGE])
    found = re.search(r"Depends: (linux-image-\S+)", asked)
    kernel = found[1] if found else ""
    versions = {name: _candidate(name) for name in (kernel, BUSYBOX_PACKAGE) if name}
    if not kernel or not all(versions.values()):
        missing = META_PACKAGE if not kernel else next(name for name, v in versions.items() if not v)
        raise LabError(
            f"A box is made of Debian's packages, and apt knows no {missing} on this machine; "
            "run: sudo apt-get update, or build the box on a Debian machine and bring it here "
            "(./lab box build --out DIR)."
        )
    return Packages(kernel, versions[kernel], versions[BUSYBOX_PACKAGE])


def boot_files(wanted: Packages, folder: Path) -> Boot:
    """Download the packages into `folder`, and make the kernel and its initrd there.

    Raises LabError when the archive cannot be reached, or has a kernel without a driver that is needed.
    """
    names = [f"{wanted.kernel}={wanted.kernel_version}", f"{BUSYBOX_PACKAGE}={wanted.busybox_version}"]
    _do(["apt-get", "download", "-qq", *names], folder, "the kernel could not be downloaded")
    tree = folder / "tree"
    for archive in sorted(folder.glob("*.deb")):
        _do(["dpkg-deb", "-x", str(archive), str(tree)], folder, f"{archive.name} could not be unpacked")
        archive.unlink()
    vmlinuz = next(tree.glob("boot/vmlinuz-*"))
    release = vmlinuz.name.removeprefix("vmlinuz-")
    modules = _in_order(_modules(tree, release))
    initrd = folder / "initrd.gz"
    initrd.write_bytes(_pack(tree, modules))
    return Boot(vmlinuz, initrd, release)


def _candidate(package: str) -> str:
    found = re.search(r"Candidate: (\S+)", _words(["apt-cache", "policy", package]))
    return found[1] if found and found[1] != "(none)" else ""


def _words(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, env=_plain(), check=False).stdout
    except OSError as error:
        raise LabError(
            f"A box is made of Debian's packages, and this machine has no {argv[0]}: {error}."
        ) from error


def _do(argv: list[str], folder: Path, trouble: str) -> None:
    try:
        done = subprocess.run(
            argv, cwd=folder, capture_output=True, text=True, env=_plain(), timeout=DOWNLOAD_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"The box was not made, {trouble}: {error}.") from error
    if done.returncode != 0:
        words = (
            " / ".join(done.stderr.strip().splitlines()[-2:]) or f"{argv[0]} exited with {done.returncode}"
        )
        raise LabError(f"The box was not made, {trouble}: {words}.")


def _plain() -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def _modules(tree: Path, release: str) -> dict[str, bytes]:
    """Every module of the kernel's by its name, `-` written as `_`, unpacked where it was packed."""
    found: dict[str, Path] = {}
    for path in (tree / "lib/modules" / release).rglob("*.ko*"):
        found[path.name.partition(".ko")[0].replace("-", "_")] = path
    kept: dict[str, bytes] = {}
    built_in = (tree / "lib/modules" / release / "modules.builtin").read_text()
    inside = {Path(line).stem.replace("-", "_") for line in built_in.split()}
    waiting = list(DRIVERS)
    while waiting:
        name = waiting.pop(0)
        if name in kept or name in inside:
            continue
        if name not in found:
            if name in OPTIONAL:
                continue
            raise LabError(f"The box was not made: the kernel {release} has no driver {name}.")
        kept[name] = _content(found[name])
        waiting += needs(kept[name])
    return kept


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    return gzip.decompress(data) if path.suffix == ".gz" else data


def needs(module: bytes) -> list[str]:
    """The modules that a module (the content of its file) is built on, by its section .modinfo."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name.replace("-", "_") for name in found[1].decode().split(",") if name] if found else []


def _in_order(modules: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Each module after all that it is built on."""
    done: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in modules and name not in done:
            for other in needs(modules[name]):
                add(other)
            done[name] = modules[name]

    for name in (*DRIVERS, *modules):
        add(name)
    return list(done.items())


def _pack(tree: Path, modules: Iterable[tuple[str, bytes]]) -> bytes:
    """The initrd: a cpio archive with busybox, the modules by number, and /init."""
    busybox = next(path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.is_file())
    entries = [cpio_entry(name, 0o040755) for name in ("bin", "dev", "modules", "root")]
    # The kernel opens it before /dev is mounted, so that what goes wrong early can be read.
    entries.append(cpio_entry("dev/console", 0o020600, device=(5, 1)))
    entries.append(cpio_entry("bin/busybox", 0o100755, busybox.read_bytes()))
    entries.append(cpio_entry("bin/sh", 0o120777, b"busybox"))
    for number, (name, content) in enumerate(modules):
        entries.append(cpio_entry(f"modules/{number:02d}-{name}.ko", 0o100644, content))
    entries.append(cpio_entry("init", 0o100755, INIT.encode()))
    entries.append(cpio_entry("TRAILER!!!", 0))
    return gzip.compress(b"".join(entries), 1, mtime=0)


def cpio_entry(name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """One entry of a cpio archive in the kernel's format, "newc" (see its initramfs buffer format)."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0]
    head = b"070701" + b"".join(f"{value:08x}".encode() for value in fields) + name.encode() + b"\0"
    return _fill(head) + _fill(content)


def _fill(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
