"""Submissions: what is taken, what is refused and in which words, and that nothing hostile gets through."""

from __future__ import annotations

import gzip
import io
import os
import socket
import stat
import tarfile
import threading
import time
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labgrader.errors import SubmissionError, UsageError
from labgrader.intake.submission import FileRule, Submission, collect, student_id

SERVER = b"import socket\n"
WANTED = ["tcp_server.py"]
SERVICES = ["tcp_server.py", "named.conf", "telnet", "ifcfg-eth0", "ifcfg-eth1", "resolv.conf"]


def folder(where: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = where / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    where.mkdir(exist_ok=True)
    return where


def write(path: Path, data: bytes = SERVER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def tarred(path: Path, *entries: tuple[str, bytes], mode: str = "w", fmt: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=fmt) as archive:  # type: ignore[call-overload]
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def refusal(path: Path, wanted: list[str] | None = None) -> str:
    with pytest.raises(SubmissionError) as caught:
        collect(path, wanted or WANTED)
    _must_be_plain(caught.value.message)
    return caught.value.message


# What is taken


@pytest.mark.parametrize("inside", ["", "alice/", "day08/work/alice/", "./", "作业/"])
def test_every_packing_of_the_same_file_is_the_same_submission(tmp_path: Path, inside: str) -> None:
    name = inside + "tcp_server.py"
    write(tmp_path / "folder" / name)
    paths = [
        tmp_path / "folder",
        zipped(tmp_path / "a.zip", (name, SERVER)),
        tarred(tmp_path / "a.tar", (name, SERVER)),
        tarred(tmp_path / "a.tar.gz", (name, SERVER), mode="w:gz"),
        tarred(tmp_path / "a.tgz", (name, SERVER), mode="w:gz", fmt=tarfile.GNU_FORMAT),
        write(tmp_path / "tcp_server.py"),
    ]
    taken = [collect(path, WANTED) for path in paths]
    assert all(submission.files == {"tcp_server.py": SERVER} for submission in taken)
    assert len({submission.digest for submission in taken}) == 1
    assert taken[0].digest.startswith("sha256:")
    assert len(taken[0].digest) == 71


def test_another_content_and_another_name_have_other_digests(tmp_path: Path) -> None:
    one = collect(folder(tmp_path / "a", telnet=b"x"), SERVICES)
    two = collect(folder(tmp_path / "b", telnet=b"y"), SERVICES)
    three = collect(write(tmp_path / "c" / "named.conf", b"x").parent, SERVICES)
    assert len({one.digest, two.digest, three.digest}) == 3


@pytest.mark.parametrize("fmt", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_chinese_names_come_out_of_every_kind_of_tar(tmp_path: Path, fmt: int) -> None:
    deep = "/".join(["a-folder-with-a-long-name" * 3] * 2) + "/作业"
    if fmt == tarfile.USTAR_FORMAT:
        deep = "a" * 90 + "/" + "作" * 20
    path = tarred(tmp_path / "x.tar", (f"{deep}/tcp_server.py", SERVER), ("tail.txt", b"z" * 5000), fmt=fmt)
    assert collect(path, WANTED).files == {"tcp_server.py": SERVER}


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("12345_tcp_server.py", True),
        ("Li Lei - tcp_server.py", True),
        ("李雷-tcp_server.py", True),
        ("(1)tcp_server.py", True),
        ("mytcp_server.py", False),
        ("server.py", False),
        ("TCP_server.py", False),
    ],
)
def test_a_single_file_may_bear_a_prefix(tmp_path: Path, name: str, taken: bool) -> None:
    path = write(tmp_path / name)
    if not taken:
        assert "rename" in refusal(path).lower()
        return
    submission = collect(path, WANTED)
    assert submission.files == {"tcp_server.py": SERVER}
    assert submission.notes == (f"{name} was taken as tcp_server.py.",)


def test_any_of_several_files_is_enough(tmp_path: Path) -> None:
    path = folder(tmp_path / "bob", telnet=b"service telnet\n", nested__tcp_server_py=SERVER)
    assert set(collect(path, SERVICES).files) == {"telnet", "tcp_server.py"}


def test_a_likely_slip_beside_a_good_file_is_noted(tmp_path: Path) -> None:
    write(tmp_path / "bob" / "name.conf")
    write(tmp_path / "bob" / "telnet")
    assert collect(tmp_path / "bob", SERVICES).notes == (
        "There is no named.conf; name.conf was not taken for it.",
    )


def test_a_required_file_must_be_there(tmp_path: Path) -> None:
    write(tmp_path / "bob" / "telnet")
    rules = {"telnet": FileRule(), "named.conf": FileRule(required=True)}
    with pytest.raises(SubmissionError, match=r"no named\.conf in bob/"):
        collect(tmp_path / "bob", rules)


@pytest.mark.parametrize(
    "data", ["\ufeffimport socket\r\n".encode(), b"a\r\nb\r", "打印".encode("gbk"), b"MZ = 1\n"]
)
def test_bytes_are_kept_as_they_are(tmp_path: Path, data: bytes) -> None:
    assert collect(write(tmp_path / "tcp_server.py", data), WANTED).files["tcp_server.py"] == data


def test_an_empty_file_is_a_wrong_solution_and_not_an_unusable_one(tmp_path: Path) -> None:
    submission = collect(write(tmp_path / "a" / "tcp_server.py", b"").parent, WANTED)
    assert submission.files == {"tcp_server.py": b""}
    assert submission.notes == ("tcp_server.py is empty.",)


def test_what_computers_leave_behind_is_not_seen(tmp_path: Path) -> None:
    entries = [
        ("__MACOSX/alice/tcp_server.py", b"junk\0"), (".git/tcp_server.py", b"other"),
        ("alice/.DS_Store", b"\0"),
        ("alice/Thumbs.db", b"\0"), ("alice/tcp_server.pyc", b"\0"), ("alice/tcp_server.py~", b"old"),
        ("alice/__pycache__/tcp_server.py", b"old"), ("alice/deep/er/tcp_server.py", SERVER),
    ]  # fmt: skip
    for path in (zipped(tmp_path / "a.zip", *entries), tarred(tmp_path / "a.tar", *entries)):
        assert collect(path, WANTED).files == {"tcp_server.py": SERVER}
    for name, data in entries:
        write(tmp_path / "f" / name, data)
    assert collect(tmp_path / "f", WANTED).files == {"tcp_server.py": SERVER}


def test_the_shallowest_of_two_counts(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("a/old/tcp_server.py", b"old"), ("a/tcp_server.py", SERVER))
    assert collect(path, WANTED).files == {"tcp_server.py": SERVER}


def test_two_that_differ_at_one_depth_are_both_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("a/tcp_server.py", b"1"), ("b/tcp_server.py", b"2"))
    message = refusal(path)
    assert "a/tcp_server.py and b/tcp_server.py" in message
    same = zipped(tmp_path / "b.zip", ("a/tcp_server.py", SERVER), ("b/tcp_server.py", SERVER))
    assert collect(same, WANTED).files == {"tcp_server.py": SERVER}


def test_absolute_names_and_backslashes_are_only_names(tmp_path: Path) -> None:
    for name in ("/home/alice/tcp_server.py", "alice\\work\\tcp_server.py"):
        assert collect(zipped(tmp_path / "a.zip", (name, SERVER)), WANTED).files == {"tcp_server.py": SERVER}
        assert collect(tarred(tmp_path / "a.tar", (name, SERVER)), WANTED).files == {"tcp_server.py": SERVER}


@pytest.mark.parametrize("name", ["../tcp_server.py", "a/../../tcp_server.py", "..\\tcp_server.py"])
def test_a_name_that_leads_outside_is_not_taken(tmp_path: Path, name: str) -> None:
    assert "no tcp_server.py in" in refusal(zipped(tmp_path / "a.zip", (name, SERVER)))
    assert "no tcp_server.py in" in refusal(tarred(tmp_path / "a.tar", (name, SERVER)))
    assert sorted(os.listdir(tmp_path)) == ["a.tar", "a.zip"]


@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "cp437"])
def test_names_in_old_encodings_come_out_right(tmp_path: Path, encoding: str) -> None:
    name = "é.txt" if encoding == "cp437" else "作业说明.txt"
    path = tmp_path / "a.zip"
    zipped(path, ("#" * len(name.encode(encoding)), b""))
    path.write_bytes(path.read_bytes().replace(b"#" * len(name.encode(encoding)), name.encode(encoding)))
    assert f"it holds {name}" in refusal(path)


# What is refused, and in which words


def test_a_wrong_name_is_told_with_the_way_to_mend_it(tmp_path: Path) -> None:
    write(tmp_path / "alice" / "tcp_sever.py")
    write(tmp_path / "alice" / "notes.txt")
    assert refusal(tmp_path / "alice") == (
        "no tcp_server.py in alice/; it holds notes.txt and tcp_sever.py. "
        "Rename tcp_sever.py to tcp_server.py and hand it in again."
    )


@pytest.mark.parametrize(
    "name",
    ["TCP_Server.py", "tcp_server.py.txt", "tcp_server (1).py", "tcp_server.py.py", "tcp-server.py",
     "tcpserver.py",     "tcp_server（2）.py", "12_tcp_server.py", "tcp_server - 副本.py"],
)  # fmt: skip
def test_likely_slips_are_recognised(tmp_path: Path, name: str) -> None:
    write(tmp_path / "alice" / name)
    write(tmp_path / "alice" / "README")
    assert f"Rename {name} to tcp_server.py" in refusal(tmp_path / "alice")


def test_a_folder_without_anything(tmp_path: Path) -> None:
    (tmp_path / "alice" / "src").mkdir(parents=True)
    assert refusal(tmp_path / "alice") == (
        "no tcp_server.py in alice/; it is empty. Hand in tcp_server.py, by exactly that name."
    )
    assert "it is empty" in refusal(zipped(tmp_path / "a.zip"))
    assert "no tcp_server.py, named.conf, telnet" in refusal(tmp_path / "alice", SERVICES)


@pytest.mark.parametrize(
    ("data", "looks"),
    [
        (b"\x7fELF\x02\x01\x01\0", "a compiled Linux program"),
        (b"\x89PNG\r\n\x1a\n\0", "a PNG picture"),
        (b"PK\x03\x04\x14\0\x06\0", "an Office document"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xa7\r\r\n" + b"\0" * 12 + b"\xe3\0", "compiled Python"),
        (b"print(1)\0", "binary data"),
        (b"{\\rtf1 import socket}", "an RTF document"),
        ("import socket".encode("utf-16"), "text in UTF-16; save it as UTF-8"),
        ("import socket".encode("utf-16-le"), "text in UTF-16; save it as UTF-8"),
        ("import socket".encode("utf-16-be"), "text in UTF-16; save it as UTF-8"),
        ("import socket".encode("utf-32"), "text in UTF-32; save it as UTF-8"),
    ],
)
def test_what_is_not_text_is_called_by_its_name(tmp_path: Path, data: bytes, looks: str) -> None:
    assert looks in refusal(write(tmp_path / "tcp_server.py", data))
    assert looks in refusal(zipped(tmp_path / "a.zip", ("tcp_server.py", data)))


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", b"root:x:0\n")
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "tcp_server.py").symlink_to("/etc/shadow")
    assert refusal(tmp_path / "alice") == "tcp_server.py is a symbolic link; hand in the file itself."
    (tmp_path / "tcp_server.py").symlink_to(secret)
    assert refusal(tmp_path / "tcp_server.py") == "tcp_server.py is a symbolic link; hand in the file itself."
    (tmp_path / "bob").symlink_to("/etc")
    assert refusal(tmp_path / "bob") == "bob is a symbolic link; hand in the file itself."
    (tmp_path / "eve").mkdir()
    (tmp_path / "eve" / "work").symlink_to(write(tmp_path / "other" / "tcp_server.py").parent)
    assert "no tcp_server.py in eve/" in refusal(tmp_path / "eve")


def test_a_folder_that_turns_into_a_link_meanwhile_is_not_followed(tmp_path: Path) -> None:
    from labgrader.intake.folders import folder_members

    write(tmp_path / "alice" / "work" / "tcp_server.py")
    write(tmp_path / "other" / "tcp_server.py", b"of somebody else")
    (member,) = folder_members(tmp_path / "alice", lambda path: False)
    (tmp_path / "alice" / "work").rename(tmp_path / "moved")
    (tmp_path / "alice" / "work").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"symbolic|directory"):
        member.read(100)


def test_links_and_devices_in_archives_are_refused(tmp_path: Path) -> None:
    kinds = {
        tarfile.SYMTYPE: "a symbolic link",
        tarfile.LNKTYPE: "a hard link",
        tarfile.CHRTYPE: "a device",
        tarfile.BLKTYPE: "a device",
        tarfile.FIFOTYPE: "a named pipe",
    }
    for flag, kind in kinds.items():
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            info = tarfile.TarInfo("tcp_server.py")
            info.type, info.linkname = flag, "/etc/shadow"
            archive.addfile(info)
        assert refusal(tmp_path / "a.tar") == f"tcp_server.py is {kind}; hand in the file itself."
    link = zipfile.ZipInfo("tcp_server.py")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped_link:
        zipped_link.writestr(link, "/etc/shadow")
    assert refusal(tmp_path / "a.zip") == "tcp_server.py is a symbolic link; hand in the file itself."


def test_a_pipe_or_a_socket_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "tcp_server.py")
    assert "is a named pipe" in refusal(tmp_path / "a")
    assert "is a named pipe" in refusal(tmp_path / "a" / "tcp_server.py")
    assert refusal(Path("/dev/zero")) == "zero is a device; hand in the file itself."
    (tmp_path / "b").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(tmp_path / "b" / "tcp_server.py"))
        assert "is a socket" in refusal(tmp_path / "b")


@pytest.mark.skipif(os.geteuid() != 0, reason="not applicable: only root can make a file of another user")
def test_a_hard_link_to_another_users_file_is_refused(tmp_path: Path) -> None:
    other = write(tmp_path / "other")
    (tmp_path / "a").mkdir()
    os.link(other, tmp_path / "a" / "tcp_server.py")
    assert collect(tmp_path / "a", WANTED).files == {"tcp_server.py": SERVER}  # one's own
    os.chown(other, 4321, 4321)
    assert "is a hard link to another user's file" in refusal(tmp_path / "a")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for path in (tmp_path / "tcp_server.py", tmp_path / "a" / "tcp_server.py", tmp_path / "x.zip"):
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.truncate(1 << 30)
    began = time.monotonic()
    assert "has 1 GiB, and at most 1 MiB are taken" in refusal(tmp_path / "tcp_server.py")
    assert "has 1 GiB, and at most 1 MiB are taken" in refusal(tmp_path / "a")
    assert "has 1 GiB, and at most 64 MiB are taken" in refusal(tmp_path / "x.zip")
    assert time.monotonic() - began < 1


def test_the_size_limit_is_exact_and_can_be_set_per_file(tmp_path: Path) -> None:
    path = write(tmp_path / "tcp_server.py", b"#" * 100)
    assert collect(path, WANTED, max_bytes=100).files
    with pytest.raises(SubmissionError, match="has 100 bytes, and at most 99 bytes are taken"):
        collect(path, WANTED, max_bytes=99)
    assert collect(path, {"tcp_server.py": FileRule(max_bytes=100)}, max_bytes=1).files


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    assert "at most 1 MiB are taken" in refusal(zipped(tmp_path / "a.zip", ("tcp_server.py", bytes(8 << 20))))
    assert "unpacks to too much" in refusal(
        zipped(tmp_path / "b.zip", ("x", bytes(64 << 20)), ("tcp_server.py", SERVER))
    )
    bomb = tmp_path / "c.tgz"
    bomb.write_bytes(gzip.compress(bytes(200 << 20)))
    assert "unpacks to too much" in refusal(bomb)


def test_a_zip_that_lies_about_a_size_is_held_to_the_limit(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("tcp_server.py", b"#" * (4 << 20)))
    true, lie = (4 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true, lie))
    with pytest.raises(SubmissionError):
        collect(path, WANTED)


def test_too_many_files(tmp_path: Path) -> None:
    entries = [(f"{number}.txt", b"") for number in range(30)]
    for path in (zipped(tmp_path / "a.zip", *entries), tarred(tmp_path / "a.tar", *entries)):
        with pytest.raises(SubmissionError, match="more than 20 files"):
            collect(path, WANTED, max_members=20)
        assert "it holds 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 25 more" in refusal(path)


def test_an_encrypted_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("tcp_server.py", SERVER))
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert refusal(path) == "a.zip is protected with a password; pack it without one."


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_a_truncated_archive(tmp_path: Path, suffix: str) -> None:
    entry = ("tcp_server.py", os.urandom(40_000).hex().encode())
    path = tmp_path / f"a.{suffix}"
    if suffix == "zip":
        zipped(path, entry)
    else:
        tarred(path, entry, mode="w:gz" if suffix == "tar.gz" else "w")
    path.write_bytes(path.read_bytes()[:20_000])
    assert refusal(path).startswith(f"a.{suffix} is damaged or was cut short")


def test_a_negative_size_in_a_tar_ends(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", ("tcp_server.py", SERVER))
    data = bytearray(path.read_bytes())
    data[124:136] = (-512).to_bytes(12, "big", signed=True)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path.write_bytes(data)
    assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.zip", b"", "it is empty"),
        ("a.zip", b"Rar!\x1a\x07\0", "it looks like a RAR archive"),
        ("a.tar.gz", b"hello", "it looks like plain text"),
        ("a.rar", b"Rar!\x1a\x07\0", "pack the files as .zip or .tar.gz"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "pack the files as .zip or .tar.gz"),
        ("a.tar.xz", b"\xfd7zXZ\0", "pack the files as .zip or .tar.gz"),
        ("tcp_server.docx", b"PK\x05\x06" + bytes(18), "no tcp_server.py in"),
    ],
)
def test_what_only_calls_itself_an_archive(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    assert says in refusal(write(tmp_path / name, data))


def test_an_office_document(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "tcp_server.docx", ("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")
    )
    assert "is an Office document" in refusal(path)


def test_hostile_names_are_shown_escaped(tmp_path: Path) -> None:
    write(tmp_path / "al\x1b[2Jice" / "evil\n\u202e\x1b]0;x\x07.py")
    message = refusal(tmp_path / "al\x1b[2Jice")
    assert message.isprintable()
    assert "al\\x1b[2Jice/" in message


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "alice.zip")
    with pytest.raises(UsageError, match=r"did you mean .*alice\.zip\?"):
        collect(tmp_path / "alice.zp", WANTED)
    with pytest.raises(UsageError, match="there is no folder"):
        collect(tmp_path / "nowhere" / "x", WANTED)
    with pytest.raises(UsageError, match="there is no"):
        collect(tmp_path / "alice.zip" / "below-a-file", WANTED)
    with pytest.raises(UsageError, match="cannot be opened"):
        collect(Path("nul\0character"), WANTED)
    with pytest.raises(UsageError, match="cannot be opened"):
        collect(tmp_path / ("x" * 300), WANTED)


def test_what_the_grader_may_not_read_is_not_the_students_mistake(tmp_path: Path) -> None:
    write(tmp_path / "a" / "tcp_server.py").chmod(0)
    write(tmp_path / "b" / "below" / "tcp_server.py")
    (tmp_path / "b" / "below").chmod(0)
    write(tmp_path / "c.zip").chmod(0)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)

    def attempt() -> list[str]:
        messages = []
        for path in (tmp_path / "a", tmp_path / "a" / "tcp_server.py", tmp_path / "b", tmp_path / "c.zip"):
            with pytest.raises(UsageError) as caught:
                collect(path, WANTED)
            messages.append(caught.value.message)
        return messages

    messages = as_nobody(attempt) if os.geteuid() == 0 else attempt()
    assert all("may not be read by you" in message for message in messages)


def as_nobody(call: Callable[[], list[str]]) -> list[str]:
    """Runs `call` in a child that is an ordinary user; its result as lines."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(sending, "\n".join(call()).encode())
        except BaseException as error:
            os.write(sending, repr(error).encode())
        finally:
            os._exit(0)
    os.close(sending)
    with open(receiving, "rb") as pipe:
        lines = pipe.read().decode().split("\n")
    os.waitpid(child, 0)
    return lines


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("alice", "alice"), ("alice.zip", "alice"), ("alice.li.tar.gz", "alice.li"), ("alice.TGZ", "alice"),
        ("12345_tcp_server.py", "12345_tcp_server"), ("李雷.zip", "李雷"), ("a\x1b[31mb", "a_[31mb"),
        ("a\u202eb", "a_b"), ("x" * 200 + ".zip", "x" * 100), (".zip", "submission"), ("a\\b.tar", "a_b"),
    ],
)  # fmt: skip
def test_the_students_id(tmp_path: Path, name: str, student: str) -> None:
    assert student_id(tmp_path / name) == student


def test_the_students_id_of_the_folder_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "v1.2" / "tcp_server.py")
    monkeypatch.chdir(tmp_path / "v1.2")
    assert collect(Path("."), WANTED).student == "v1.2"


# Any bytes at all


def _outcome(path: Path) -> Submission | None:
    try:
        return collect(path, SERVICES)
    except (SubmissionError, UsageError) as error:
        _must_be_plain(error.message)
        return None


def _must_be_plain(text: str) -> None:
    assert {unicodedata.category(character) for character in text}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )


ANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(data=st.binary(max_size=3000), name=st.sampled_from(["a.zip", "a.tar", "a.tar.gz", "telnet", "a.bin"]))
def test_any_bytes_are_taken_or_refused_in_a_sentence(tmp_path: Path, data: bytes, name: str) -> None:
    _outcome(write(tmp_path / name, data))


@ANY
@given(
    kind=st.sampled_from(["zip", "tar", "pax", "tar.gz"]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=12)), max_size=6),
    cut=st.floats(0.5, 1),
)
def test_a_damaged_archive_is_taken_or_refused_in_a_sentence(
    tmp_path: Path, kind: str, changes: list[tuple[float, bytes]], cut: float
) -> None:
    path = tmp_path / f"a.{kind.replace('pax', 'tar')}"
    entries = [("作业/tcp_server.py", SERVER * 9), ("作业/named.conf", b"options {};\n"), ("x" * 150, b"")]
    if kind == "zip":
        zipped(path, *entries)
    else:
        fmt = tarfile.PAX_FORMAT if kind == "pax" else tarfile.GNU_FORMAT
        tarred(path, *entries, mode="w:gz" if kind == "tar.gz" else "w", fmt=fmt)
    data = bytearray(path.read_bytes())
    for where, new in changes:
        at = int(where * len(data))
        data[at : at + len(new)] = new
    path.write_bytes(data[: int(cut * len(data))])
    _outcome(path)


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@ANY
@given(names=st.lists(NAMES, min_size=1, max_size=4))
def test_any_names_in_an_archive_are_taken_or_refused_in_a_sentence(tmp_path: Path, names: list[str]) -> None:
    entries = [(name, SERVER) for name in dict.fromkeys(names)]
    for path in (zipped(tmp_path / "a.zip", *entries), tarred(tmp_path / "a.tar", *entries)):
        submission = _outcome(path)
        assert (submission is not None) == any(
            name.replace("\\", "/").split("/")[-1] in SERVICES for name in names
        )


def test_collecting_is_quick_for_the_worst_that_is_allowed(tmp_path: Path) -> None:
    """A zip of 2,000 long names beside the wanted one, and a tar whose extended header is all digits."""
    many = zipped(tmp_path / "a.zip", *[("d/" + f"{n:04}" + "x" * 200, b"") for n in range(1990)])
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 60_000
    (tmp_path / "b.tar").write_bytes(header.tobuf() + b"1" * 60_416 + bytes(1024))
    began = time.monotonic()
    refusal(many, SERVICES)
    refusal(tmp_path / "b.tar")
    assert time.monotonic() - began < 2


def test_eight_at_once_disturb_each_other_in_nothing(tmp_path: Path) -> None:
    paths = [zipped(tmp_path / f"{n}.zip", ("tcp_server.py", b"# %d\n" % n)) for n in range(8)]
    results: dict[str, Submission] = {}

    def take(path: Path) -> None:
        results[path.stem] = collect(path, WANTED)

    threads = [threading.Thread(target=take, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: results[n].files["tcp_server.py"] for n in results} == {
        str(n): b"# %d\n" % n for n in range(8)
    }
