"""A disk that boots by BIOS, made without a mount and without a loop device.

Partition 1 (FAT) holds the boot loader, the kernel and its initrd; partition 2 (ext4) is the root file
system. The master boot record is syslinux's own code and a table of these two.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from labgrader.errors import LabError

SECTOR = 512
FIRST = 2048  # sectors: where partition 1 begins, as partitioning tools have it
FAT_MB = 40
ROOT_MB = 1536
MBR_CODE = ("/usr/lib/syslinux/mbr/mbr.bin", "/usr/lib/SYSLINUX/mbr.bin", "/usr/share/syslinux/mbr.bin")
FAT_LBA, LINUX = 0x0C, 0x83
# quiet: a line on the serial console costs an emulated machine time. panic: seconds until it starts again.
COMMAND_LINE = (
    "console=tty0 console=ttyS0,115200 quiet loglevel=3 net.ifnames=0 mitigations=off audit=0 apparmor=0 "
    "no_timer_check random.trust_cpu=on 8250.nr_uarts=1 panic=30"
)
SYSLINUX = f"""\
DEFAULT box
PROMPT 0
TIMEOUT 0
LABEL box
  LINUX vmlinuz
  INITRD initrd
  APPEND {COMMAND_LINE}
"""
TOOLS = {  # program: the Debian package that brings it
    "mkfs.fat": "dosfstools",
    "syslinux": "syslinux",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
}


def check_tools() -> None:
    """LabError with the packages that bring what is missing on this machine."""
    missing = {package for program, package in TOOLS.items() if _find(program) is None}
    if _mbr_code() is None:
        missing.add("syslinux-common")
    if missing:
        names = " ".join(sorted(missing))
        raise LabError(
            f"A box cannot be made without {names}; run: sudo apt-get install --no-install-recommends {names}"
        )


def boot_partition(folder: Path, vmlinuz: Path, initrd: Path) -> Path:
    """A FAT file system with the boot loader in it, as a file in `folder`."""
    image = folder / "boot.fat"
    image.unlink(missing_ok=True)
    settings = folder / "syslinux.cfg"
    settings.write_text(SYSLINUX)
    # -i: the same packages give the same disk. -h: where the partition begins, for the boot loader.
    run(
        [
            "mkfs.fat",
            "-C",
            "-F",
            "16",
            "-n",
            "BOOT",
            "-i",
            "1ab62ade",
            "-h",
            str(FIRST),
            str(image),
            str(FAT_MB * 1024),
        ]
    )
    for source, name in ((vmlinuz, "vmlinuz"), (initrd, "initrd"), (settings, "syslinux.cfg")):
        run(["mcopy", "-i", str(image), str(source), f"::{name}"])
    run(["syslinux", "--install", str(image)])
    return image


def disk(folder: Path, boot: Path, root: Path) -> Path:
    """The whole disk as a sparse file in `folder`, of the partitions' images `boot` and `root`."""
    code = _mbr_code()
    if code is None:
        raise LabError(f"{MBR_CODE[0]} is gone; run: sudo apt-get install --reinstall syslinux-common")
    target = folder / "disk.raw"
    fat, ext4 = boot.stat().st_size // SECTOR, root.stat().st_size // SECTOR
    with target.open("wb") as file:
        file.write(mbr(code.read_bytes(), [(FAT_LBA, FIRST, fat), (LINUX, FIRST + fat, ext4)]))
        file.truncate((FIRST + fat + ext4 + FIRST) * SECTOR)
    for image, at in ((boot, FIRST), (root, FIRST + fat)):
        _copy_sparse(image, target, at * SECTOR)
    return target


def mbr(code: bytes, partitions: list[tuple[int, int, int]]) -> bytes:
    """A master boot record: boot code, and a table of (type, first sector, sectors), the first one active."""
    if len(code) > 440 or len(partitions) > 4:
        raise ValueError("a master boot record has 440 bytes of code and four partitions")
    table = b""
    for number, (kind, first, count) in enumerate(partitions):
        # Heads, sectors and cylinders are as large as they can be: "look at the sector numbers instead".
        flag = 0x80 if number == 0 else 0
        table += struct.pack("<B3sB3sII", flag, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", first, count)
    return code.ljust(440, b"\0") + b"LABG\0\0" + table.ljust(64, b"\0") + b"\x55\xaa"


def convert(raw: Path, kind: str, target: Path) -> None:
    """Write the disk in another format: "qcow2" (compressed) or "vmdk" (stream-optimised, for an OVF)."""
    options = ["-O", "qcow2", "-c"] if kind == "qcow2" else ["-O", "vmdk", "-o", "subformat=streamOptimized"]
    run(["qemu-img", "convert", "-f", "raw", *options, str(raw), str(target)])


def run(argv: list[str], folder: Path | None = None) -> None:
    """Run one tool; LabError with its last words where it fails."""
    program = _find(argv[0])
    if program is None:
        raise LabError(
            f"{argv[0]} is not on this machine; install it: apt-get install {TOOLS.get(argv[0], argv[0])}"
        )
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1", "PATH": _path()}
    done = subprocess.run([program, *argv[1:]], cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        words = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise LabError(
            f"The box was not made, {argv[0]} exited with {done.returncode}: {words or 'no word of why'}"
        )


def _path() -> str:
    # An ordinary user's PATH may lack the folders where mke2fs and mkfs.fat are.
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def _find(program: str) -> str | None:
    return shutil.which(program, path=_path())


def _mbr_code() -> Path | None:
    return next((Path(name) for name in MBR_CODE if os.path.exists(name)), None)


def _copy_sparse(source: Path, target: Path, at: int) -> None:
    piece = 1 << 20
    with source.open("rb") as reader, target.open("r+b") as writer:
        position = at
        while data := reader.read(piece):
            if data.count(0) != len(data):
                writer.seek(position)
                writer.write(data)
            position += len(data)
