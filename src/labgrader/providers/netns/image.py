"""The hosts' root file system: Debian packages and the guest contract, built once and cached.

Two stages. A tar of the packages (mmdebstrap over the machine's own apt sources, about half a minute),
named by a digest of what is in it; and from it a directory whose files belong to the hosts' mapped ids,
with the guest's own files laid over, named by a digest of both.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from labgrader.errors import LabError
from labgrader.guest.packages import PACKAGES
from labgrader.providers.netns import apt_sources
from labgrader.providers.netns.ids import COUNT, id_range

GUEST = Path(__file__).resolve().parents[2] / "guest"
SUPERVISOR = Path(__file__).with_name("supervisor.py")
BUILD_S = 900.0
BUILD_BYTES = 700 << 20
# A month: security fixes of the daemons should reach the hosts without anybody's doing.
NO_DOCUMENTATION = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
INSTALL = ["/usr/bin/python3", "-I", "/usr/lib/labgrader/install.py"]


def cache_folder() -> Path:
    """Where images are kept: XDG_CACHE_HOME (default ~/.cache), in labgrader/images."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME") or "/root", ".cache")
    return Path(base) / "labgrader" / "images"


def ensure() -> list[Path]:
    """The layers of the hosts' root file system, the upper first; builds what is missing.

    Says on standard error what it does and how far it is. Raises LabError with the tool's last words and
    the log's path.
    """
    final = image_path()
    if not (final / "rootfs").is_dir():
        with _lock(made(cache_folder())):
            if not (final / "rootfs").is_dir():
                _build(_packages(), final)
    os.utime(final)  # when it was last used: see _remove_older
    return [final / "rootfs"]


def image_path() -> Path:
    """Where the image for this checkout and this user's ids is kept, whether it is there or not."""
    return cache_folder() / f"{_image_digest()}-{id_range().uid_base}"


def packages() -> Path:
    """The tar of the hosts' Debian packages alone; made if it is missing."""
    with _lock(made(cache_folder())):
        return _packages()


def _packages() -> Path:
    tar = cache_folder() / f"packages-{packages_digest()}.tar"
    if not tar.exists():
        _bootstrap(tar)
    os.utime(tar)
    return tar


def made(folder: Path) -> Path:
    """A folder of the cache, made if it is not there; LabError if it cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"{folder} cannot be made: {error}. Set XDG_CACHE_HOME to a folder of yours."
        ) from error
    return folder


def remove(path: Path) -> None:
    """Remove an image directory whose files belong to mapped ids."""
    if not path.exists():
        return
    path.chmod(0o777)
    as_root_of_hosts(["sh", "-c", "rm -rf -- ./* ./.[!.]*"], path)
    path.rmdir()


def packages_digest() -> str:
    """A digest of which packages the hosts' image is made of, and how."""
    words = [*sorted(PACKAGES), apt_sources.suite(), platform.machine(), *NO_DOCUMENTATION, "1"]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _guest_files() -> list[tuple[str, Path]]:
    """(path in the image, source) of everything that the project itself puts there."""
    pairs = [("usr/lib/labgrader/install.py", GUEST / "install.py")]
    for top, target in ((GUEST / "lib", "usr/lib/labgrader"), (GUEST / "rootfs", "")):
        for path in sorted(top.rglob("*")):
            if "__pycache__" not in path.parts and (path.is_file() or path.is_symlink()):
                pairs.append((os.path.join(target, path.relative_to(top)), path))
    return pairs


def _image_digest() -> str:
    total = hashlib.sha256(packages_digest().encode())
    for name, path in _guest_files():
        executable = os.access(path, os.X_OK)
        total.update(f"\0{name}\0{executable}\0".encode())
        total.update(os.readlink(path).encode() if path.is_symlink() else path.read_bytes())
    return total.hexdigest()[:16]


def _build(tar: Path, final: Path) -> None:
    """Unpack `tar` and lay the guest's own files over it; the cache's lock is held."""
    folder = final.parent
    for left in folder.glob("partial-*"):  # of a build that was killed: the lock is ours
        with contextlib.suppress(LabError, OSError):
            remove(left)
    say("Unpacking the hosts' image…")
    started = time.monotonic()
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder))
    # Open to the hosts' root, whose outer id is nobody's; the folder around it is closed to all others.
    partial.chmod(0o777)
    try:
        fill(partial, tar)
        partial.chmod(0o755)
        partial.rename(final)
    except BaseException:
        with contextlib.suppress(LabError, OSError):
            remove(partial)
        raise
    say(f"The hosts' image is ready ({time.monotonic() - started:.0f} s); it is kept in {folder}.")
    _remove_older(folder, final, tar)


def fill(folder: Path, tar: Path) -> None:
    """Make `folder`/rootfs of the packages in `tar` and the guest contract.

    `folder` must be open to the hosts' root (mode 777), to whom everything in it then belongs.
    """
    with tar.open("rb") as archive, tempfile.TemporaryFile() as own:
        unpack = "mkdir -m 755 rootfs && exec tar -x -p -C rootfs --exclude='./dev/*' -f -"
        as_root_of_hosts(["sh", "-c", unpack], folder, archive.fileno())
        _pack_guest(own)
        own.seek(0)
        overlay = "exec tar -x -p -C rootfs --no-overwrite-dir --keep-directory-symlink -f -"
        as_root_of_hosts(["sh", "-c", overlay], folder, own.fileno())
    as_root_of_hosts(INSTALL, folder / "rootfs", chroot=True)


def _remove_older(folder: Path, final: Path, tar: Path) -> None:
    """Drop images of other digests that nobody used for a month; what another checkout uses stays."""
    month_ago = time.time() - 30 * 86400
    for path in folder.iterdir():
        if path in (final, tar) or path.stat().st_mtime > month_ago:
            continue
        if path.suffix == ".tar":
            path.unlink()
        elif path.is_dir():
            with contextlib.suppress(LabError, OSError):
                remove(path)


def _bootstrap(tar: Path) -> None:
    """Make the tar of packages with mmdebstrap, unprivileged where we are."""
    tool = shutil.which("mmdebstrap")
    if tool is None:
        raise LabError("mmdebstrap is not on this machine; install it: apt-get install mmdebstrap")
    log = tar.with_suffix(".log")
    partial = tar.with_suffix(".tar.partial")
    argv = [
        tool,
        "--variant=minbase",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        f"--include={','.join(PACKAGES)}",
        "--format=tar",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in NO_DOCUMENTATION),
        *(f"--aptopt={line}" for line in apt_sources.options()),
        apt_sources.suite(),
        str(partial),
        "-",
    ]
    say("Building the hosts' image from Debian packages (once; about half a minute)…")
    started = time.monotonic()
    workspace = _workspace()
    with log.open("wb") as file, log.open("rb") as reader:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=file, stderr=file, env={**os.environ, "TMPDIR": workspace}
        )
        assert process.stdin is not None
        process.stdin.write(apt_sources.text().encode())
        process.stdin.close()
        try:
            while process.poll() is None:
                if time.monotonic() - started > BUILD_S:
                    raise LabError(f"mmdebstrap did not end within {BUILD_S:.0f} s; its log: {log}")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1.0)
                for line in reader.read().decode("utf-8", "replace").splitlines():
                    if line.startswith("I: ") and not line.startswith("I: cleaning"):
                        say(f"  {time.monotonic() - started:4.0f} s  {line[3:]}")
        except BaseException:
            process.terminate()  # it then removes what it made
            process.wait()
            raise
    if process.returncode != 0:
        partial.unlink(missing_ok=True)
        errors = [
            line for line in log.read_text(errors="replace").splitlines() if line.startswith(("E:", "W:"))
        ]
        raise LabError(f"mmdebstrap failed: {' / '.join(errors[-3:]) or 'no word of why'}; its log: {log}")
    partial.rename(tar)


def _workspace() -> str:
    """A folder for mmdebstrap to work in: the first with room that a stranger, the hosts' root, may enter."""
    for place in (tempfile.gettempdir(), "/var/tmp", "/tmp"):
        path = Path(place).resolve()
        open_to_all = os.geteuid() == 0 or all(p.stat().st_mode & 0o001 for p in (path, *path.parents))
        space = os.statvfs(path)
        if open_to_all and os.access(path, os.W_OK) and space.f_bavail * space.f_frsize >= BUILD_BYTES:
            return str(path)
    raise LabError(
        f"The hosts' image needs {BUILD_BYTES >> 20} MB for a while in a folder that others may pass "
        f"through, and neither {tempfile.gettempdir()} nor /var/tmp nor /tmp is one; "
        "set TMPDIR to such a folder."
    )


def _pack_guest(target: io.IOBase) -> None:
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, path in _guest_files():
            info = archive.gettarinfo(str(path), name)
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            if info.isfile():
                with path.open("rb") as file:
                    archive.addfile(info, file)
            else:
                archive.addfile(info)


def as_root_of_hosts(
    argv: list[str], folder: Path, stdin: int | None = None, *, chroot: bool = False
) -> None:
    """Run a command as root of the hosts' ids, in the directory `folder` or chrooted into it."""
    ids = id_range()
    order: dict[str, object] = {"argv": argv, "chroot": chroot}
    if stdin is not None:
        order["stdin_fd"] = stdin
    config = {
        "prepare": order,
        "layers": [str(folder)],
        "uid_base": ids.uid_base,
        "gid_base": ids.gid_base,
        "direct": ids.direct,
        "ids": COUNT,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SUPERVISOR), "prepare"],
        input=json.dumps(config).encode() + b"\n",
        stdout=subprocess.PIPE,
        pass_fds=[] if stdin is None else [stdin],
        start_new_session=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
    )
    said = done.stdout.decode("utf-8", "replace").strip()
    if said != "ok":
        raise LabError(f"The hosts' image could not be made: {said.lstrip('!') or 'the supervisor ended'}.")


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another labgrader is building the hosts' image; waiting for it…")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
