"""Putting and getting files: never half a file, nothing written twice, and every refusal told."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

import paramiko
import pytest

from labgrader.errors import LabError
from labgrader.remote.transport import KEEP_BYTES, Connection
from tests.transport.ssh_server import Files, SshServer

UID, GID = os.getuid(), os.getgid()
LIMIT = 1 << 16  # what the full disk takes


@pytest.fixture
def server(server: SshServer) -> SshServer:
    server.files = Files
    return server


def put(connection: Connection, path: Path, content: bytes, mode: int = 0o640) -> bool:
    return connection.put(str(path), content, mode=mode, uid=UID, gid=GID)


def test_new_file_has_content_mode_and_owner(connection: Connection, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)

    assert put(connection, tmp_path / "named.conf", content) is True

    seen = (tmp_path / "named.conf").stat()
    assert (tmp_path / "named.conf").read_bytes() == content
    assert (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid) == (0o640, UID, GID)
    assert os.listdir(tmp_path) == ["named.conf"], "no temporary file stays"


def test_file_that_is_right_is_not_written(connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "telnet"
    put(connection, path, b"service telnet\n")
    before = path.stat()

    assert put(connection, path, b"service telnet\n") is False

    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_ino,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


@pytest.mark.parametrize("wrong", ["mode", "content", "length", "link", "owner"])
def test_file_that_is_not_quite_right_is_written_anew(
    connection: Connection, tmp_path: Path, wrong: str
) -> None:
    path = tmp_path / "ifcfg-eth0"
    put(connection, path, b"DEVICE=eth0\n")
    if wrong == "mode":
        path.chmod(0o644)
    elif wrong == "content":
        path.write_bytes(b"DEVICE=eth1\n")
    elif wrong == "length":
        path.write_bytes(b"DEVICE=eth0\nDEVICE=eth0\n")
    elif wrong == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to("elsewhere")
    elif os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        pytest.skip("not applicable: only root can give a file away")

    assert put(connection, path, b"DEVICE=eth0\n") is True

    seen = path.lstat()
    assert (seen.st_mode, seen.st_uid, seen.st_gid) == (stat.S_IFREG | 0o640, UID, GID)
    assert path.read_bytes() == b"DEVICE=eth0\n"
    if wrong == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b"DEVICE=eth0\n", (
            "what a link points to is not touched"
        )


def test_reader_never_sees_half_a_file(connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "zone"
    contents = [letter * (1 << 20) for letter in (b"a", b"b")]
    put(connection, path, contents[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            text = path.read_bytes()
            seen.add(
                text[:1] + text[-1:] + str(len(text)).encode() + (b"" if len(set(text)) == 1 else b" mixed")
            )

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 7):
        assert put(connection, path, contents[number % 2]) is True
    done.set()
    reader.join(30)

    assert seen == {b"aa1048576", b"bb1048576"}


class FullDisk(Files):
    """A disk on which there is room for 64 KiB."""

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        handle = super().open(path, flags, attr)
        if isinstance(handle, paramiko.SFTPHandle) and flags & os.O_CREAT:
            opened: Any = handle
            write = opened.write

            def limited(offset: int, data: bytes) -> int:
                if offset + len(data) > LIMIT:
                    return paramiko.SFTPServer.convert_errno(errno.ENOSPC)
                return int(write(offset, data))

            opened.write = limited
        return handle


@pytest.mark.parametrize("size", [LIMIT + 1, 3 << 20])
def test_full_disk_is_told_and_leaves_what_was_there(server: SshServer, tmp_path: Path, size: int) -> None:
    server.files = FullDisk
    path = tmp_path / "named.conf"
    path.write_bytes(b"options { };\n")

    with Connection(server.access) as connection, pytest.raises(LabError) as caught:
        put(connection, path, b"x" * size)

    assert caught.value.message.startswith(f"v0: {path} could not be written: ")
    assert path.read_bytes() == b"options { };\n"
    assert os.listdir(tmp_path) == ["named.conf"]


def test_folder_that_is_not_there_is_told(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"v0: .*/nowhere/zone could not be written: .*[Nn]o such file"):
        put(connection, tmp_path / "nowhere" / "zone", b"")


def test_place_that_is_a_folder_is_told(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "zone").mkdir()
    with pytest.raises(LabError, match=r"v0: .*/zone could not be written"):
        put(connection, tmp_path / "zone", b"")
    assert os.listdir(tmp_path) == ["zone"]


def test_get_gives_the_bytes_of_a_file(connection: Connection, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "log").write_bytes(content)
    (tmp_path / "empty").touch()

    assert connection.get(str(tmp_path / "log")) == content
    assert connection.get(str(tmp_path / "empty")) == b""
    assert connection.get(str(tmp_path / "log"), limit=70_000) == content[:70_000]


def test_get_of_more_than_the_limit_stops_there(connection: Connection, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(8 << 30)  # sparse: nobody could keep all of it

    assert connection.get(str(tmp_path / "big")) == bytes(KEEP_BYTES)


def test_get_of_what_is_no_file_is_none(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"the grader's own")
    (tmp_path / "link").symlink_to("secret")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    for name in ("missing", "missing/deeper", "link", "folder", "pipe"):
        assert connection.get(str(tmp_path / name)) is None, name


def test_host_without_sftp_is_told(server: SshServer) -> None:
    server.files = None
    with (
        Connection(server.access) as connection,
        pytest.raises(LabError, match=r"v0: SFTP could not be opened"),
    ):
        connection.get("/etc/hostname")


def test_connection_lost_between_two_files(server: SshServer, connection: Connection, tmp_path: Path) -> None:
    put(connection, tmp_path / "one", b"1")
    server.cut()
    with pytest.raises(LabError, match=r"v0: .*/two could not be written"):
        put(connection, tmp_path / "two", b"2")
    with pytest.raises(LabError, match=r"v0: .*/one could not be read"):
        connection.get(str(tmp_path / "one"))
