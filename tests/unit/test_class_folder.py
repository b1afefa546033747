"""A class's folder or bulk download: whose each thing is, what cannot be graded, and that nothing is lost."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labgrader.errors import SubmissionError, UsageError
from labgrader.intake import deadlines, gradescope, ids
from labgrader.intake.download_names import named, newest, of_file
from labgrader.intake.entries import Entry, collect, entries, strays, whole_class
from labgrader.intake.submission import FileRule

FILES = ["tcp_server.py", "named.conf"]
RULES = {name: FileRule() for name in FILES}
SERVER = b"import socket\n"
SAFE = re.compile(r"[A-Za-z0-9._@-]{1,100}")
NOON = deadlines.parse("2026-03-01T12:00:00Z")


def laid(root: Path, *names: str, data: bytes = SERVER) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def zipped(path: Path, *names: str, data: bytes = SERVER) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return path


def by_id(path: Path, **options: object) -> dict[str, Entry]:
    return {entry.student: entry for entry in entries(path, files=FILES, **options)}  # type: ignore[arg-type]


def contents(entry: Entry) -> dict[str, bytes]:
    taken = collect(entry, RULES)
    assert taken.student == entry.student
    return dict(taken.files)


# The forms in which a class comes; each as a folder and as the zip that was downloaded


@pytest.fixture(params=["folder", "zip"])
def lay(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    def make(*names: str) -> Path:
        if request.param == "folder":
            return laid(tmp_path / "class", *names)
        return zipped(tmp_path / "class.zip", *names)

    return make


def test_one_thing_a_student(lay: object) -> None:
    found = by_id(lay("alice/tcp_server.py", "bob/day08/tcp_server.py", "carol_tcp_server.py", "dave.py"))  # type: ignore[operator]
    assert list(found) == ["alice", "bob", "carol", "dave"]
    for entry in found.values():
        assert collect(entry, {"tcp_server.py": FileRule()}).files == {"tcp_server.py": SERVER}


def test_files_that_are_named_for_one_student_are_one_entry(lay: object) -> None:
    [entry] = entries(lay("alice_tcp_server.py", "alice-named.conf"), files=FILES)  # type: ignore[operator]
    assert entry.student == "alice" and set(contents(entry)) == set(FILES)


def test_archives_within_the_class_and_within_a_students_folder(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", "作业/tcp_server.py").read_bytes()
    folder = laid(tmp_path / "class", "alice.zip", "bob/homework.zip", data=inner)
    outer = tmp_path / "class.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("alice.zip", inner)
        archive.writestr("bob/homework.zip", inner)
    for path in (folder, outer):
        found = by_id(path)
        assert [contents(entry) for entry in found.values()] == [{"tcp_server.py": SERVER}] * 2
        assert "homework.zip was unpacked." in collect(found["bob"], RULES).notes


def test_moodle_with_and_without_folders(lay: object) -> None:
    path = lay(  # type: ignore[operator]
        "Lovelace Ada_12345_assignsubmission_file_/tcp_server.py",
        "Lovelace Ada_12345_assignsubmission_onlinetext_/onlinetext.html",
        "Turing Alan_12346_assignsubmission_file_tcp_server.py",
        "Turing Alan_12346_assignsubmission_file_named.conf",
        "张 三_12347_assignsubmission_file_/homework/tcp_server.py",
        "Hopper Grace_12348_assignsubmission_onlinetext_/onlinetext.html",
        "Participant_12349_assignsubmission_file_/tcp_server.py",
        "Default group_assignsubmission_file_/tcp_server.py",
    )
    found = by_id(path)
    assert set(found) == {
        "Lovelace_Ada_12345", "Turing_Alan_12346", "12347", "Hopper_Grace_12348", "Participant_12349",
        ids.safe_id("Default group"),
    }  # fmt: skip
    ada, grace = found["Lovelace_Ada_12345"], found["Hopper_Grace_12348"]
    assert (ada.name, ada.keys) == ("Lovelace Ada", {"moodle": "12345"})
    assert contents(ada) == {"tcp_server.py": SERVER} and "typed" in ada.notes[0]
    assert contents(found["Turing_Alan_12346"]) == dict.fromkeys(FILES, SERVER)
    assert found["12347"].name == "张 三" and contents(found["12347"])
    assert grace.problem is not None and "no file" in grace.problem
    assert all("Moodle's download does not keep" in e.notes[-1] for e in entries(path, deadline=NOON))


def test_canvas_with_several_files_uploads_again_and_late_marks(tmp_path: Path) -> None:
    root = laid(
        tmp_path / "class", "lovelaceada_12_100_tcp_server.py", "lovelaceada_12_101_named.conf",
        "hoppergrace_14_text.html", "anon_ab1Cd_400_tcp_server.py", "LATE_anon_xy2Zw_401_tcp_server.py",
    )  # fmt: skip
    laid(root, "turingalan_LATE_13_200_tcp_server.py", data=b"old\n")
    laid(root, "turingalan_LATE_13_201_tcp_server-1.py", data=b"older than -2\n")
    laid(root, "turingalan_LATE_13_202_tcp_server-2.py", data=b"new\n")
    laid(root, "hoppergrace_14_link.html", "carrolllewis_15_500_homework.zip")
    zipped(root / "carrolllewis_15_500_homework.zip", "x/tcp_server.py")
    found = by_id(root)
    ada, alan = found["lovelaceada_12"], found["turingalan_13"]
    assert ada.keys == {"canvas": "12"} and contents(ada) == dict.fromkeys(FILES, SERVER) and not ada.late
    assert alan.late and contents(alan) == {"tcp_server.py": b"new\n"}
    assert "tcp_server-2.py was taken as tcp_server.py." in collect(alan, RULES).notes
    assert found["hoppergrace_14"].problem is not None
    assert not found["anon_ab1Cd"].late and found["anon_xy2Zw"].late
    assert contents(found["carrolllewis_15"]) == {"tcp_server.py": SERVER}
    assert len(found) == 6


METADATA = """---
submission_101:
  :submitters:
  - :name: Ada Lovelace
    :sid: '0007'
    :email: ada@example.edu
  - :name: Alan Turing
    :sid:
    :email: alan@example.edu
  :created_at: 2026-03-01 12:00:00.500000000 Z
  :score: 0.0
  :results:
    output: ":submitters:"
  :history:
  - :submitters: []
    :created_at: 2026-02-01 12:00:00.000000000 Z
submission_102:
  :submitters:
  - :name: Grace Hopper
    :email: grace@example.edu
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: &1 2026-03-01 11:00:00.000000000 Z
    time: 2026-03-01 03:00:00.000000000 Z
submission_103:
  :submitters:
  - :name: Lewis Carroll
    :sid: '9'
"""


@pytest.mark.parametrize("wrapped", ["", "assignment_77_export/"])
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_gradescope_with_groups_and_times(tmp_path: Path, wrapped: str, form: str) -> None:
    names = [f"{wrapped}submission_{number}/tcp_server.py" for number in (101, 102, 104)]
    if form == "folder":
        root = laid(tmp_path / "class", *names)
        (root / wrapped / gradescope.METADATA).write_text(METADATA)
    else:
        root = zipped(tmp_path / "class.zip", *names)
        with zipfile.ZipFile(root, "a") as archive:
            archive.writestr(wrapped + gradescope.METADATA, METADATA)
    found = by_id(root, deadline=NOON)
    assert list(found) == ["0007", "9", "alan@example.edu", "grace@example.edu", "submission_104"]
    ada, alan, grace = (found[id_] for id_ in ("0007", "alan@example.edu", "grace@example.edu"))
    assert (ada.name, ada.email, ada.keys) == (
        "Ada Lovelace", "ada@example.edu", {"gradescope": "submission_101", "sid": "0007"},
    )  # fmt: skip
    assert ada.late and ada.submitted == datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC)
    assert "together by Ada Lovelace and Alan Turing" in alan.notes[0]
    assert contents(ada) == contents(alan) == contents(grace) == {"tcp_server.py": SERVER}
    assert grace.submitted == datetime(2026, 3, 1, 11, tzinfo=UTC) and not grace.late
    assert "no folder submission_103" in (found["9"].problem or "")


BOMB = "a: &a [x, x]\n" + "".join(
    f"{n}: &{n} [{','.join(['*' + m] * 9)}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k: v}\n" + "".join(
    f"{n}: &{n} {{<<: [{','.join(['*' + m] * 9)}]}}\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, "- " * 100_000, "{a: " * 50_000, "- a", "a", "", "a: [", "\t", "a: *b", "%YAML 9",
        "submission_1: !!python/object/apply:os.system [id]", BOMB, MERGES, "? [a]\n: b", "a: \0",
        "submission_1: {:created_at: 2026-99-99 00:00:00 Z, :submitters: x}",
    ],
)  # fmt: skip
def test_hostile_metadata_is_refused_with_its_line_or_means_nothing(text: str) -> None:
    try:
        found = gradescope.read(text.encode(), "m.yml")
    except UsageError as error:
        found, message = {}, error.message
    else:
        message = "m.yml, line 1"
    assert re.search(r"m\.yml, line \d+", message)
    assert all(handed.people == () and handed.created is None for handed in found.values())


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="-:[]{}?!&*|>'\"%@`#, \n\tas1", max_size=80))
def test_no_metadata_is_too_strange(text: str) -> None:
    try:
        gradescope.read(text.encode(), "m.yml")
    except UsageError:
        pass


@pytest.mark.parametrize("value", ["[" * 5000 + "]" * 5000, "{a: " * 5000 + "}" * 5000])
def test_metadata_that_is_nested_as_nobody_nests_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"m\.yml, line 2"):
        gradescope.read(f"a: b\nc: {value}\n".encode(), "m.yml")


def test_somebody_whom_gradescope_names_twice_is_one_row_that_says_so(tmp_path: Path) -> None:
    root = laid(tmp_path / "class", "submission_1/tcp_server.py", "submission_2/tcp_server.py")
    person = "\n  :submitters:\n  - :name: Ada\n    :sid: '7'\n"
    (root / gradescope.METADATA).write_text(f"submission_1:{person}submission_2:{person}")
    [entry] = entries(root, files=FILES)
    assert (
        entry.problem == "handed in more than once: submission_1 and submission_2; keep the one that counts."
    )


# Names


WORD = st.text(alphabet=st.characters(categories=["Ll", "Lo", "Nd"]), min_size=1, max_size=20)
NAME = st.text(st.characters(exclude_characters="_/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
FILE = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
NUMBER = st.integers(1, 10**12).map(str)


@settings(deadline=None)
@given(name=NAME.filter(str.strip), number=NUMBER, file=FILE)
@example(name="O'Neil Áine", number="1", file="assignsubmission_file_x")
def test_what_moodle_writes_reads_back(name: str, number: str, file: str) -> None:
    for text, own in (
        (f"{name}_{number}_assignsubmission_file_", ""),
        (f"{name}_{number}_assignsubmission_file_{file}", file),
    ):
        says = named(text)
        assert says is not None
        assert (says.system, says.id, says.file, says.typed) == ("moodle", number, own, False)
        assert says.name == " ".join(name.split())


@settings(deadline=None)
@given(
    name=WORD.filter(lambda w: w == w.lower() and not re.search(r"\d", w)),
    number=NUMBER,
    at=NUMBER,
    file=FILE,
    late=st.booleans(),
)
def test_what_canvas_writes_reads_back(name: str, number: str, at: str, file: str, late: bool) -> None:
    says = named(f"{name}_{'LATE_' if late else ''}{number}_{at}_{file}")
    assert says is not None
    assert (says.system, says.id, says.name, says.file, says.late) == ("canvas", number, name, file, late)
    assert says.order == int(at)


@pytest.mark.parametrize(
    "text", ["alice_tcp_server.py", "12345_tcp_server.py", "2021_12_01_notes.txt", "a_b", "_"]
)
def test_other_names_belong_to_no_download(text: str) -> None:
    assert named(text) is None


@settings(deadline=None)
@given(st.text(max_size=400))
def test_no_name_is_too_strange(text: str) -> None:
    named(text)
    of_file(text, FILES)
    assert SAFE.fullmatch(ids.safe_id(text)) and ids.safe_id(text) not in (".", "..")
    newest([(text, 1)], FILES)


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("aAbBéÉ. -/ＡA\u0301"), max_size=4), unique=True, max_size=12))
def test_ids_of_different_texts_never_share_a_file(texts: list[str]) -> None:
    found = ids.distinct([ids.safe_id(text) for text in texts], texts)
    assert len({unicodedata.normalize("NFC", id_).casefold() for id_ in found}) == len(texts)
    assert all(SAFE.fullmatch(id_) for id_ in found)
    # Whichever is listed first.
    turned = ids.distinct([ids.safe_id(text) for text in texts[::-1]], texts[::-1])
    assert turned[::-1] == found


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "-rf", ".hidden", "CON", "nul.txt", "a/b", "a\nb", "x" * 300, "a.", "张三", "\udcff"],
)
def test_what_is_unsafe_as_a_file_name_gets_an_id_of_its_own(text: str) -> None:
    id_ = ids.safe_id(text)
    assert SAFE.fullmatch(id_) and id_ != text and id_[0] not in ".-" and id_[-1] != "."


def test_who_has_an_id_keeps_it_whoever_comes_later() -> None:
    both, given = ["Alice", "alice"], {"alice": "alice"}
    first, second = ids.distinct(both, both, given)
    assert second == "alice" and re.fullmatch(r"Alice-[0-9a-f]{12}", first)
    # Whoever of the two is still there, and whatever is there besides.
    given = {"alice": "alice", "Alice": first}
    assert ids.distinct(["Alice"], ["Alice"], given) == [first]
    assert ids.distinct([*both[::-1], first], [*both[::-1], first], given)[:2] == ["alice", first]
    # Another way to write somebody's id is somebody else; the very id is the same student's, found elsewhere.
    assert ids.distinct(["Alice"], ["Alice"], {"alice": "alice"}) == [first]
    assert ids.distinct(["alice"], ["moodle/7"], {"alice": "alice"}) == ["alice"]
    marked = ids.distinct(both, both)
    assert all("-" in id_ for id_ in marked)
    assert ids.distinct(["alice"], ["alice"], dict(zip(both, marked, strict=True))) == [marked[1]]


@settings(deadline=None)
@given(
    st.lists(st.text(st.sampled_from("aAbBé"), max_size=3), unique=True, min_size=1, max_size=9),
    st.data(),
)
def test_an_id_that_was_given_is_never_anothers(texts: list[str], data: st.DataObject) -> None:
    """Class after class, in whatever order students come and go."""
    known: dict[str, str] = {}
    for _ in range(4):
        now = data.draw(st.lists(st.sampled_from(texts), unique=True))
        found = ids.distinct([ids.safe_id(text) for text in now], now, known)
        for text, id_ in zip(now, found, strict=True):
            assert known.setdefault(text, id_) == id_
        assert len({id_.casefold() for id_ in known.values()}) == len(known)


def test_an_entry_is_known_by_the_same_whatever_files_are_added(tmp_path: Path) -> None:
    root = laid(
        tmp_path / "class", "Lovelace Ada_5_assignsubmission_file_b.py", "turingalan_13_202_tcp_server.py"
    )
    before = {entry.student: entry.origin for entry in entries(root, files=FILES)}
    laid(root, "Lovelace Ada_5_assignsubmission_file_a.py", "turingalan_13_101_named.conf")
    assert {entry.student: entry.origin for entry in entries(root, files=FILES)} == before
    assert set(before.values()) == {"moodle/5", "canvas/13"}


# What must not be lost


@pytest.mark.parametrize("wrapped", ["", "class/"])
def test_students_with_empty_folders_alone_are_entries(tmp_path: Path, wrapped: str) -> None:
    names = ["erin/tcp_server.py/", "frank/a/", "grace/", "Ng Bo_12_assignsubmission_file_/"]
    path = zipped(tmp_path / "class.zip", *(wrapped + name for name in [*names, "ann/tcp_server.py"]))
    for name in names:
        (tmp_path / "unpacked" / name).mkdir(parents=True)
    on_disk = by_id(laid(tmp_path / "unpacked", "ann/tcp_server.py"))
    found = by_id(path)
    assert list(found) == list(on_disk) == ["Ng_Bo_12", "ann", "erin", "frank", "grace"]
    for student in set(found) - {"ann"}:
        said = set()
        for entry in (found[student], on_disk[student]):
            with pytest.raises(SubmissionError, match="it is empty") as caught:
                collect(entry, RULES)
            said.add(caught.value.message)
        assert len(said) == 1
    assert contents(found["ann"]) == {"tcp_server.py": SERVER}
    assert [stray.source for stray in strays(zipped(tmp_path / "o.zip", "../x/", "a/b"))] == ["../x"]


def test_twins_that_a_file_system_may_confuse_are_two_entries(tmp_path: Path) -> None:
    root = tmp_path / "class.zip"
    names = ["Alice/tcp_server.py", "alice/tcp_server.py"]
    names += [unicodedata.normalize(form, "José/tcp_server.py") for form in ("NFC", "NFD")]
    zipped(root, *names)
    found = list(by_id(root))
    assert len(found) == 4 and len({id_.casefold() for id_ in found}) == 4


def test_a_student_with_two_hand_ins_is_one_row_that_says_so(tmp_path: Path) -> None:
    root = laid(tmp_path / "class", "alice/tcp_server.py", "alice.py")
    [entry] = entries(root, files=FILES)
    assert entry.problem == "handed in more than once: alice and alice.py; keep the one that counts."
    with pytest.raises(SubmissionError, match="more than once"):
        collect(entry, RULES)


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[Path]:
    root = laid(tmp_path / "class", "alice/tcp_server.py")
    laid(root, ".DS_Store", "Thumbs.db", "__MACOSX/._x", "grades.csv", "tcp_server.py", ".hidden/x")
    (root / "link.zip").symlink_to("/etc/passwd")
    (root / "linked").symlink_to("/etc")
    (root / "dangling").symlink_to("/nowhere")
    os.mkfifo(root / "fifo")
    (root / "empty").mkdir()
    (root / "a\nb\x1b[31m").mkdir()
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.py")).write_bytes(SERVER)
    laid(root / ("x" * 250), "tcp_server.py")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(root, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        yield root


def test_every_name_is_in_an_entry_or_told(strange: Path) -> None:
    found = whole_class(strange, files=FILES)
    for text in [text for e in found.entries for text in (e.source, e.problem or "", *e.notes)]:
        assert text.isprintable()
    said: list[str] = []
    for entry in found.entries:
        assert SAFE.fullmatch(entry.student)
        try:
            said += collect(entry, RULES).notes
        except SubmissionError as error:
            said.append(error.message)
    assert len(said) > 5 and all(text.isprintable() for text in said)
    told = {stray.source for stray in found.strays}
    assert told == {".DS_Store", "Thumbs.db", "__MACOSX", "grades.csv", "tcp_server.py", ".hidden"}
    assert {s.source for s in strays(strange, files=FILES)} == told
    assert len(found.entries) + len(told) == len(os.listdir(strange))
    problems = {entry.source: entry.problem for entry in found.entries}
    for name, kind in {"link.zip": "link", "linked": "link", "fifo": "pipe", "socket": "socket"}.items():
        assert kind in (problems[name] or "")


TOP = st.sampled_from(
    ["a", "A", "b.py", "b", "..", ".", "", "é", "e\u0301", ".git", "__MACOSX", "x.csv", "tcp_server.py",
     "a_tcp_server.py", "n_1_2_x.py", "N_1_assignsubmission_file_", "submission_1", "\n", "C:", "z.zip"]
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(names=["a", "a/n_1_2_x.py"])
@given(
    names=st.lists(
        st.lists(TOP, min_size=1, max_size=3).map("/".join).filter(lambda n: n.strip("/.")),
        unique=True,
        max_size=8,
    )
)
def test_every_member_of_a_zip_is_in_an_entry_or_told(tmp_path: Path, names: list[str]) -> None:
    path = zipped(tmp_path / f"{len(os.listdir(tmp_path))}.zip", *names)
    expected = set(names)
    try:
        found = whole_class(path, files=FILES)
    except UsageError as error:
        message = error.message
        found = None
    if found is None:
        assert "no submissions" in message
        return
    paths = [part.path for entry in found.entries for part in entry.parts]
    told = [tuple(stray.source.replace("\\n", "\n").split("/")) for stray in found.strays]
    wrap = {path[0] for path in paths if len(path) == 2}
    for name in expected:
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        heads = {parts[:1], parts[:2], parts, *((parts[1:2],) if parts[0] in wrap else ())}
        assert heads & {*paths, *told}, name
    assert len({entry.student.casefold() for entry in found.entries}) == len(found.entries)


def test_names_in_a_zip_that_lead_outside_are_told_and_gbk_reads(tmp_path: Path) -> None:
    path = tmp_path / "c.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../etc/cron.d/x", SERVER)
        archive.writestr("alice/../../x", SERVER)
        archive.writestr("/absolute/tcp_server.py", SERVER)
        archive.writestr("y" * 300 + "/tcp_server.py", SERVER)
        info = zipfile.ZipInfo("PLACEHOLDERS/tcp_server.py")
        archive.writestr(info, SERVER)
    gbk = "张三李四王五".encode("gbk")
    assert len(gbk) == len("PLACEHOLDERS")
    path.write_bytes(path.read_bytes().replace(b"PLACEHOLDERS", gbk))
    found = whole_class(path, files=FILES)
    assert sorted(s.source for s in found.strays) == ["../../etc/cron.d/x", "alice/../../x"]
    assert [entry.name for entry in found.entries if entry.name and entry.name[0] != "y"] == ["张三李四王五"]
    assert all(contents(entry) == {"tcp_server.py": SERVER} for entry in found.entries)
    assert len(found.entries) == 3


def test_what_may_not_be_read_is_a_row(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = laid(Path(name) / "class", "alice/tcp_server.py", "bob.py", "carol/a/tcp_server.py", "dave.py")
        os.chmod(name, 0o755)
        for path in ("alice/tcp_server.py", "bob.py", "carol/a"):
            (root / path).chmod(0)
        was = os.geteuid()
        try:
            if was == 0:
                os.seteuid(65534)
            found = by_id(root)
            taken = collect(found["dave"], {"tcp_server.py": FileRule()}).files
        finally:
            os.seteuid(was)
        assert [id_ for id_, entry in found.items() if entry.problem] == ["alice", "bob", "carol"]
        assert all("may not be read" in (found[id_].problem or "") for id_ in ("alice", "bob", "carol"))
        assert taken == {"tcp_server.py": SERVER}


def test_gradescopes_list_that_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = laid(Path(name) / "class", "submission_101/tcp_server.py", "submission_metadata.yml")
        os.chmod(name, 0o755)
        (root / "submission_metadata.yml").chmod(0)
        was = os.geteuid()
        try:
            if was == 0:
                os.seteuid(65534)
            with pytest.raises(UsageError, match=r"_metadata\.yml cannot be read: .*; make it readable"):
                by_id(root)
        finally:
            os.seteuid(was)


def test_a_folder_of_links_is_never_followed(tmp_path: Path) -> None:
    laid(tmp_path / "secret", "tcp_server.py", data=b"another's\n")
    root = laid(tmp_path / "class", "alice/readme")
    (root / "alice" / "tcp_server.py").symlink_to(tmp_path / "secret" / "tcp_server.py")
    [entry] = entries(root, files=FILES)
    with pytest.raises(SubmissionError, match="symbolic link"):
        collect(entry, RULES)
    # What becomes a link after the class was listed is not followed either.
    (root / "alice" / "tcp_server.py").unlink()
    (root / "alice" / "readme").unlink()
    (root / "alice").rmdir()
    (root / "alice").symlink_to(tmp_path / "secret")
    with pytest.raises(SubmissionError):
        collect(entry, RULES)


@pytest.mark.parametrize("made", ["nothing", "empty", "text", "broken"])
def test_a_path_that_is_no_class_is_refused(tmp_path: Path, made: str) -> None:
    path = tmp_path / "class.zip"
    if made == "empty":
        path.mkdir()
    elif made == "text":
        path.write_text("hello")
    elif made == "broken":
        path.write_bytes(zipped(tmp_path / "x.zip", "a/b").read_bytes()[:-30])
    with pytest.raises(UsageError):
        entries(path)


# Late or not


def test_the_newest_file_on_disk_says_when_and_the_note_says_so(tmp_path: Path) -> None:
    root = laid(tmp_path / "class", "alice/tcp_server.py", "alice/named.conf", "bob/tcp_server.py")
    for name, hour in {"alice/tcp_server.py": 11, "alice/named.conf": 13, "bob/tcp_server.py": 11}.items():
        when = datetime(2026, 3, 1, hour, tzinfo=UTC).timestamp()
        os.utime(root / name, (when, when))
    found = by_id(root, deadline=NOON)
    assert found["alice"].late and "copying can change" in found["alice"].notes[0]
    assert not found["bob"].late and found["bob"].submitted == datetime(2026, 3, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-01T23:59:00+08:00", "2026-03-01 15:59:00"), ("2026-03-01 23:59Z", "2026-03-01 23:59:59"),
        ("2026-03-01 23:59:10 Asia/Shanghai", "2026-03-01 15:59:10"),
        ("2026-03-01 UTC", "2026-03-01 23:59:59"),
        ("2026-03-01T10:00:00.5-0330", "2026-03-01 13:30:00"),
    ],
)  # fmt: skip
def test_deadlines_as_people_write_them(text: str, utc: str) -> None:
    assert deadlines.parse(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") == utc


def test_a_deadline_without_a_zone_is_local_and_aware() -> None:
    assert deadlines.parse("2026-03-01 10:00:00") == datetime(2026, 3, 1, 10).astimezone()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-02-30",
        "2026-03-01 25:00",
        "2026-03-01 10:00 Mars/Base",
        "2026-03-01 10:00+99:00",
        "0001-01-01",
        "9999-12-31",
        "2026-03-01 10:00 ../../etc/passwd",
    ],
)
def test_what_is_no_time_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(UsageError, match="write it as"):
        deadlines.parse(text)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_deadline_is_too_strange(text: str) -> None:
    try:
        assert deadlines.parse(text).tzinfo is not None
    except UsageError:
        pass
