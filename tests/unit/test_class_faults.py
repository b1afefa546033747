"""Whose fault it is that a class's submission cannot be read: the student's, or whoever keeps the files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from labgrader.errors import LabError, SubmissionError
from labgrader.intake.entries import Entry, collect, entries
from labgrader.intake.submission import FileRule

RULES = {"tcp_server.py": FileRule()}
SERVER = "import socket\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "class" / "alice" / "day08").mkdir(parents=True)
    (tmp_path / "class" / "alice" / "day08" / "tcp_server.py").write_text(SERVER)
    return tmp_path / "class"


def only(path: Path) -> Entry:
    [entry] = entries(path, files=list(RULES))
    return entry


@pytest.mark.parametrize("gone", ["", "alice"])
def test_what_is_gone_since_the_class_was_listed_is_not_the_students_mistake(folder: Path, gone: str) -> None:
    entry = only(folder)
    shutil.move(folder / gone, folder.parent / "elsewhere")
    with pytest.raises(LabError, match=r"there is no|cannot be read"):
        collect(entry, RULES)


FAULTY = """
import ctypes, os, sys
from pathlib import Path
from labgrader.errors import LabgraderError
from labgrader.intake.entries import collect, entries
from labgrader.intake.submission import FileRule

root, name = Path(sys.argv[1]), sys.argv[2]
[entry] = entries(root, files=["tcp_server.py"])
# A file whose first byte the kernel answers with EIO, as a failing disk does.
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"/proc/self/mem", os.fsencode(root / name), None, 4096, None):
    sys.exit(77)
try:
    print("read", collect(entry, {"tcp_server.py": FileRule()}).files)
except LabgraderError as error:
    print(type(error).__name__, error.message)
"""


@pytest.mark.parametrize(
    "name", ["alice/day08/tcp_server.py", "alice/day08/work.zip", "alice.zip", "alice.py"]
)
def test_a_disk_that_fails_is_not_the_students_mistake(folder: Path, name: str) -> None:
    shutil.rmtree(folder / "alice")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(SERVER)
    words = ["unshare", "--map-root-user", "--mount", sys.executable, "-P", "-c", FAULTY, str(folder), name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mount namespaces here")
    assert done.stdout.startswith("LabError ") and "Input/output error" in done.stdout, done


def class_zip(path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("alice/tcp_server.py", SERVER)
    return path


def test_a_damaged_zip_of_the_class_is_not_the_students_mistake(tmp_path: Path) -> None:
    path = class_zip(tmp_path / "class.zip")
    path.write_bytes(path.read_bytes().replace(SERVER.encode(), SERVER.encode().swapcase()))
    with pytest.raises(LabError, match=r"alice/tcp_server\.py in class\.zip .*download it again"):
        collect(only(path), RULES)
    with pytest.raises(LabError, match="download it again"):
        collect(only(class_zip(tmp_path / "odd.zip", zipfile.ZIP_LZMA)), RULES)


def test_a_zip_of_the_class_that_is_another_now_is_not_the_students_mistake(tmp_path: Path) -> None:
    path = class_zip(tmp_path / "class.zip")
    entry = only(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bob/tcp_server.py", SERVER)
    with pytest.raises(LabError, match=r"alice is not in class\.zip any more"):
        collect(entry, RULES)
    path.unlink()
    with pytest.raises(LabError, match=r"class\.zip cannot be read"):
        collect(entry, RULES)


def test_a_repository_that_is_gone_is_not_the_students_mistake(tmp_path: Path) -> None:
    server = tmp_path / "class" / "alice.git"
    work = tmp_path / "work"
    work.mkdir()
    (work / "tcp_server.py").write_text(SERVER)
    environment = {**os.environ, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: object) -> None:
        subprocess.run(["git", *map(str, words)], cwd=work, env=environment, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@example.edu", "commit", "-q", "-m", "x")
    git("clone", "-q", "--bare", work, server)
    entry = only(server.parent)
    assert collect(entry, RULES).files
    shutil.move(server, tmp_path / "elsewhere.git")
    with pytest.raises(LabError, match="not a git repository any more"):
        collect(entry, RULES)


# What it takes of the grader's memory

MEASURED = """
import sys
from pathlib import Path
from labgrader.errors import LabgraderError
from labgrader.intake.entries import collect, entries
from labgrader.intake.submission import FileRule

if len(sys.argv) > 2:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]) << 20,) * 2)
[entry] = entries(Path(sys.argv[1]), files=["tcp_server.py"])
try:
    taken = collect(entry, {"tcp_server.py": FileRule()})
    print("read", *taken.notes, sep="|")
except LabgraderError as error:
    print(type(error).__name__, error.message)
[peak] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(int(peak) >> 10)
"""


def measured(path: Path, *more: object) -> tuple[str, int]:
    """What came of collecting the one entry, and how many MiB it took."""
    words = [sys.executable, "-P", "-c", MEASURED, path, *more]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120, check=True)
    said, peak = done.stdout.splitlines()
    return said, int(peak)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar.gz of 118 MiB in 5.9 MiB, as no single bound forbids."""
    place = tmp_path_factory.mktemp("big")
    with open(place / "tcp_server.dat", "wb") as data:
        for _ in range(118):
            data.write(os.urandom(50 << 10) + bytes((1 << 20) - (50 << 10)))
    subprocess.run(["tar", "-C", place, "-czf", place / "big.tar.gz", "tcp_server.dat"], check=True)
    return place / "big.tar.gz"


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_all_archives_of_an_entry_have_one_budget(tmp_path: Path, big: Path, form: str) -> None:
    alice = tmp_path / "class" / "alice"
    alice.mkdir(parents=True)
    for number in range(3):
        shutil.copy(big, alice / f"big{number}.tar.gz")
    (alice / "tcp_server.py").write_text(SERVER)
    path = alice.parent
    if form == "zip":
        path = tmp_path / "class.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(alice.iterdir()):
                archive.write(file, f"alice/{file.name}")
    said, peak = measured(path)
    assert said.count("big1.tar.gz and the archives before it unpack to more than 128 MiB") == 1, said
    assert "Not looked into: big2.tar.gz" in said and "big0.tar.gz was unpacked." in said
    assert peak < 260, peak


def test_names_are_counted_over_all_archives(tmp_path: Path) -> None:
    alice = tmp_path / "class" / "alice"
    alice.mkdir(parents=True)
    for number in range(3):
        with zipfile.ZipFile(alice / f"{number}.zip", "w") as archive:
            for name in range(40_000):
                archive.writestr(f".git/{name}", "")
            archive.writestr("tcp_server.py", SERVER)
    taken = collect(only(alice.parent), RULES)
    assert taken.files == {"tcp_server.py": SERVER.encode()}
    assert any("2.zip holds more than 100000 files" in note for note in taken.notes), taken.notes


def test_no_memory_of_ours_is_not_the_students_mistake(tmp_path: Path, big: Path) -> None:
    (tmp_path / "class" / "alice").mkdir(parents=True)
    shutil.copy(big, tmp_path / "class" / "alice" / "big.tar.gz")
    said, _ = measured(tmp_path / "class", 130)
    assert said == "LabError big.tar.gz cannot be unpacked: this machine has too little memory left.", said


def test_files_in_several_archives_are_compared_as_if_they_lay_there(tmp_path: Path) -> None:
    alice = tmp_path / "class" / "alice"
    alice.mkdir(parents=True)
    for number, text in enumerate([SERVER, SERVER, "other\n"]):
        with zipfile.ZipFile(alice / f"{number}.zip", "w") as archive:
            archive.writestr("tcp_server.py", text)
            archive.writestr("deeper/tcp_server.py", "not this one\n")
        if number < 2:
            assert collect(only(alice.parent), RULES).files == {"tcp_server.py": SERVER.encode()}
    with pytest.raises(
        SubmissionError, match=r"0\.zip/tcp_server\.py and 2\.zip/tcp_server\.py, and they differ"
    ):
        collect(only(alice.parent), RULES)


# What could not be looked into is told


def test_an_archive_beside_a_good_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    ann = tmp_path / "class" / "ann"
    (ann / "sub").mkdir(parents=True)
    (ann / "tcp_server.py").write_text(SERVER)
    (ann / "final.zip").write_bytes(b"PK\x03\x04 and no more")
    (ann / "sub" / "work.rar").write_bytes(b"Rar!\x1a\x07\x00")
    notes = collect(only(ann.parent), RULES).notes
    assert [note for note in notes if "final.zip is damaged or was cut short" in note], notes
    assert "Not looked into: sub/work.rar is not an archive that is read here; pack the files as" in " ".join(
        notes
    )


def test_the_ninth_archive_is_told(tmp_path: Path) -> None:
    ann = tmp_path / "class" / "ann"
    ann.mkdir(parents=True)
    for number in range(9):
        with zipfile.ZipFile(ann / f"{number}.zip", "w") as archive:
            archive.writestr("notes.txt", "x")
    with pytest.raises(SubmissionError, match=r"8\.zip is one archive too many, after 8"):
        collect(only(ann.parent), RULES)
    (ann / "tcp_server.py").write_text(SERVER)
    notes = collect(only(ann.parent), RULES).notes
    assert "Not looked into: 8.zip is one archive too many, after 8; hand in only one." in notes
    for number in range(9, 30):
        shutil.copy(ann / "8.zip", ann / f"{number}.zip")
    notes = collect(only(ann.parent), RULES).notes
    assert notes[-1] == "Not looked into: 14 more archives." and len(notes) == 8 + 8 + 1


@pytest.mark.parametrize("name", ["work.rar", "work.7z", "tcp_server.py.gz", "tcp_server.tar.xz"])
@pytest.mark.parametrize("place", ["dave/sub", "Dave Ng_12_assignsubmission_file_"])
def test_an_archive_that_is_not_read_here_has_its_own_remedy(tmp_path: Path, name: str, place: str) -> None:
    path = tmp_path / "class" / place / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"Rar!\x1a\x07\x00")
    with pytest.raises(SubmissionError) as caught:
        collect(only(tmp_path / "class"), RULES)
    said = caught.value.message
    assert f"{name} is not an archive that is read here; pack the files as .zip or .tar.gz." in said
    assert "ename" not in said


def test_a_slip_beside_such_an_archive_is_still_a_slip(tmp_path: Path) -> None:
    dave = tmp_path / "class" / "dave"
    dave.mkdir(parents=True)
    (dave / "data.gz").write_bytes(b"\x1f\x8b")
    (dave / "tcp_sever.py").write_text(SERVER)
    with pytest.raises(SubmissionError, match=r"Rename tcp_sever\.py to tcp_server\.py"):
        collect(only(dave.parent), RULES)


def test_an_archive_in_an_archive_has_its_own_remedy(tmp_path: Path) -> None:
    dave = tmp_path / "class" / "dave"
    dave.mkdir(parents=True)
    with zipfile.ZipFile(dave / "outer.zip", "w") as archive:
        archive.writestr("inner.zip", b"PK\x03\x04")
    with pytest.raises(SubmissionError, match="was not looked into; hand in the files that are in it"):
        collect(only(dave.parent), RULES)
