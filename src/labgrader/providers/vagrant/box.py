"""`lab box build`: a Debian machine as Vagrant boxes for libvirt and VirtualBox, from Debian packages alone.

The root file system is the namespace hosts' image, so that both providers grade on the same programs; a
kernel, a boot loader and an account for Vagrant come to it. Boxes are kept by a digest of all that.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import shlex
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labgrader.errors import LabError
from labgrader.guest.vm import contract
from labgrader.providers.netns import image, renewal
from labgrader.providers.vagrant import box_disk, box_files, box_kernel, box_packages

HYPERVISORS = ("libvirt", "virtualbox")
SPACE_BYTES = 2 << 30
SOURCES = ("box.py", "box_disk.py", "box_files.py", "box_kernel.py", "box_packages.py")
# What runs from the start on, before a machine can be given anything newer.
BOOTED = ("vm_init.py", "management.py", "management_dhcp.py", "machine.py")
MONTH_S = 30 * 86400


@dataclass(frozen=True)
class Boxes:
    """Two files for `vagrant box add`, and the digest of what both hold, versions of packages and all."""

    libvirt: Path
    virtualbox: Path
    digest: str


def build(out: Path | None = None, *, renew: bool = False) -> Boxes:
    """The boxes for this checkout; what is missing is built, which takes about a minute.

    With `out`, copies are put into that folder and their paths returned; `renew` builds them of what the
    archive has now, whether they are there or not. Says on standard error what it does. Raises LabError with
    a remedy.
    """
    folder = _folder()
    if renew or not folder.is_dir():
        with _lock(cache_folder()):
            if renew or not folder.is_dir():
                box_disk.check_tools()
                wanted = box_kernel.packages()
                if renew:
                    renewal.renew()
                _build(wanted, folder)
    os.utime(folder)  # when it was last used: see _remove_older
    return _boxes(folder) if out is None else _copies(_boxes(folder), out)


def built() -> tuple[Boxes, box_packages.Contents] | None:
    """The boxes for this checkout and what is in them, if they are there already. Raises LabError."""
    known = box_packages.read(_folder())
    return None if known is None else (_boxes(_folder()), known)


def by_hand(boxes: Boxes) -> list[str]:
    """What a person types to use them without labgrader, line by line.

    The name is none of labgrader's own, whose boxes `lab machines --remove` removes with their disks. LAB
    stands before `box add`, too: in the checkout's folder Vagrant reads the Vagrantfile for whatever it does.
    """
    name, lines = f"by-hand/debian12-{boxes.digest[:12]}", []
    for hypervisor, path in zip(HYPERVISORS, (boxes.libvirt, boxes.virtualbox), strict=True):
        add = f"vagrant box add --name {name} --provider {hypervisor} {shlex.quote(str(path))}"
        use = f"VAGRANT_DEFAULT_PROVIDER={hypervisor} LABGRADER_BOX=built LABGRADER_BOX_NAME={name}"
        lines += [
            f"By hand, with {hypervisor}:",
            f"  LAB=tcp-server {add}",
            f"  LAB=tcp-server {use} vagrant up",
        ]
    return lines


def cache_folder() -> Path:
    """Where boxes are kept: beside the namespace hosts' images, in labgrader/boxes."""
    return image.made(image.cache_folder().with_name("boxes"))


def sources() -> list[Path]:
    """The files that a box is made of, beside packages: boot, and the way in.

    Whatever else is on a machine its preparation renews.
    """
    own = [Path(__file__).with_name(name) for name in SOURCES]
    return [*own, *(image.GUEST / "lib" / name for name in BOOTED), box_files.SHUTDOWN]


def _folder() -> Path:
    """Where the boxes for this checkout are kept, named by a digest of what they are made of.

    Not of versions: a box must not change because an archive did; `lab box build --renew` takes newer ones.
    """
    total = hashlib.sha256(image.packages_digest().encode())
    for path in sources():
        total.update(path.read_bytes())
    return cache_folder() / total.hexdigest()[:16]


def _boxes(folder: Path) -> Boxes:
    """With versions in the digest: a renewed box must have another name for Vagrant, which keeps the old."""
    libvirt, virtualbox = (folder / f"{box_files.NAME}-{name}.box" for name in HYPERVISORS)
    known = box_packages.read(folder)
    words = f"{folder.name} {known.digest if known else ''}"
    return Boxes(libvirt, virtualbox, hashlib.sha256(words.encode()).hexdigest()[:16])


def _copies(boxes: Boxes, out: Path) -> Boxes:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in (boxes.libvirt, boxes.virtualbox, boxes.libvirt.with_name(box_packages.NAME)):
            shutil.copyfile(path, out / path.name)
    except OSError as error:
        raise LabError(f"The boxes cannot be put into {out}: {error}.") from error
    return Boxes(out / boxes.libvirt.name, out / boxes.virtualbox.name, boxes.digest)


def _build(wanted: box_kernel.Packages, final: Path) -> None:
    """Make both boxes; the cache's lock is held."""
    for left in final.parent.glob("partial-*"):  # of a build that was killed: the lock is ours
        _remove(left)
    free = shutil.disk_usage(final.parent).free
    if free < SPACE_BYTES:
        raise LabError(
            f"Building a box needs {SPACE_BYTES >> 20} MB for a while in {final.parent}, and {free >> 20} MB "
            "are free; make room, or set XDG_CACHE_HOME to a folder with more."
        )
    image.say(f"Building the Debian box with {wanted.kernel} {wanted.kernel_version} (once)…")
    started = time.monotonic()
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=final.parent))
    try:
        ready = partial / "ready"
        ready.mkdir()
        raw = _disk(wanted, partial)
        _say(started, "packing the boxes")
        for hypervisor in HYPERVISORS:
            _pack(ready / f"{box_files.NAME}-{hypervisor}.box", hypervisor, raw, partial)
        if final.exists():  # renewed
            final.rename(partial / "superseded")
        ready.rename(final)
    finally:
        _remove(partial)
    image.say(f"The boxes are ready ({time.monotonic() - started:.0f} s); they are kept in {final}.")
    for path in final.parent.iterdir():
        if path.is_dir() and path != final and path.stat().st_mtime < time.time() - MONTH_S:
            shutil.rmtree(path, ignore_errors=True)


def _say(started: float, text: str) -> None:
    image.say(f"  {time.monotonic() - started:4.0f} s  {text}")


def _disk(wanted: box_kernel.Packages, partial: Path) -> Path:
    """The disk with everything on it, as a sparse file in `partial`; `partial`/ready gets its packages."""
    started = time.monotonic()
    vmlinuz, initrd = _kernel(wanted, partial, started)
    fat = box_disk.boot_partition(partial, vmlinuz, initrd)
    _say(started, "making the root file system")
    work = partial / "root"
    work.mkdir()
    work.chmod(0o777)  # the hosts' root, whose outer id is nobody's, works in it
    root = _root(work, contract.digest(str(image.GUEST)))
    box_packages.write(partial / "ready", box_packages.contents(work / "rootfs", wanted))
    disk = box_disk.disk(partial, fat, root)
    image.remove(work)
    return disk


def _kernel(wanted: box_kernel.Packages, partial: Path, started: float) -> tuple[Path, Path]:
    """The kernel and its initrd, kept from build to build: a hundred megabytes are downloaded for them."""
    key = hashlib.sha256(f"{wanted}".encode() + Path(box_kernel.__file__).read_bytes()).hexdigest()[:16]
    kept = cache_folder() / f"kernel-{key}"
    if not kept.is_dir():
        _say(started, "downloading the kernel")
        work, ready = partial / "kernel", partial / "boot"
        work.mkdir()
        ready.mkdir()
        boot = box_kernel.boot_files(wanted, work)
        boot.vmlinuz.rename(ready / "vmlinuz")
        boot.initrd.rename(ready / "initrd.gz")
        shutil.rmtree(work)
        ready.rename(kept)
    os.utime(kept)
    return kept / "vmlinuz", kept / "initrd.gz"


def _root(work: Path, guest_digest: str) -> Path:
    """The root file system, as a file in `work`: packages, guest contract, and the box's own files."""
    image.fill(work, image.packages())
    with tempfile.TemporaryFile() as own:
        _pack_files(own, guest_digest)
        own.seek(0)
        overlay = "exec tar -x -p -C rootfs --no-overwrite-dir --keep-directory-symlink -f -"
        image.as_root_of_hosts(["sh", "-c", overlay], work, own.fileno())
    image.as_root_of_hosts(["/bin/sh", "-c", box_files.SETTLE], work / "rootfs", chroot=True)
    make = (
        "rm -rf rootfs/dev/* rootfs/run/* rootfs/tmp/*; PATH=$PATH:/usr/sbin:/sbin; "
        f"truncate -s {box_disk.ROOT_MB}M root.ext4 && exec mke2fs -q -F -t ext4 "
        "-O ^metadata_csum,^resize_inode -m 0 -L labgrader -J size=8 "
        "-E lazy_itable_init=1,nodiscard -d rootfs root.ext4 && chmod 644 root.ext4"
    )
    image.as_root_of_hosts(["sh", "-c", make], work)
    return work / "root.ext4"


def _pack_files(target: io.IOBase, guest_digest: str) -> None:
    with tarfile.open(fileobj=target, mode="w") as archive:
        for file in box_files.files(guest_digest):
            content = file.content.encode()
            info = tarfile.TarInfo(file.path)
            info.size, info.mode, info.uname, info.gname = len(content), file.mode, "root", "root"
            archive.addfile(info, io.BytesIO(content))


def _pack(path: Path, hypervisor: str, raw: Path, partial: Path) -> None:
    """One box: a tar of the disk and of what Vagrant reads beside it."""
    size = raw.stat().st_size
    texts = {
        "metadata.json": box_files.metadata(hypervisor, size),
        "Vagrantfile": box_files.vagrantfile(hypervisor),
    }
    name, kind = (
        ("box.img", "qcow2") if hypervisor == "libvirt" else (f"{box_files.NAME}-disk001.vmdk", "vmdk")
    )
    disk = partial / name
    box_disk.convert(raw, kind, disk)
    if hypervisor == "virtualbox":
        texts["box.ovf"] = box_files.ovf(name, size, disk.stat().st_size)
    with tarfile.open(path, "w") as archive:  # the disks are compressed already
        for inside, text in texts.items():
            info = tarfile.TarInfo(inside)
            info.size, info.mode = len(text.encode()), 0o644
            archive.addfile(info, io.BytesIO(text.encode()))
        archive.add(disk, name, filter=_anybody)
    disk.unlink()


def _anybody(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode, info.mtime = 0o644, 0
    return info


def _remove(partial: Path) -> None:
    with contextlib.suppress(LabError, OSError):
        image.remove(partial / "root")
    shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            image.say("Another labgrader is building the box; waiting for it…")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
