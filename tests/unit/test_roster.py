"""The class's roster: everybody on it has a row, and what is nobody's is told."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labgrader.errors import UsageError
from labgrader.intake import roster
from labgrader.intake.entries import Entry, collect, whole_class
from labgrader.intake.submission import FileRule

FILES = ["tcp_server.py"]
RULES = {"tcp_server.py": FileRule()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("alice", "bob", "day08/carol", "day08/dan"):
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "tcp_server.py").write_text(f"# {name}\n")
    return tmp_path / "class"


def graded(folder: Path, text: str, name: str = "../roster.csv") -> tuple[dict[str, Entry], list[str]]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    found = whole_class(folder, roster=path, files=FILES)
    return {entry.student: entry for entry in found.entries}, [stray.source for stray in found.strays]


def server(entry: Entry) -> str:
    return collect(entry, RULES).files["tcp_server.py"].decode()


def test_everybody_has_a_row_and_what_is_nobodys_is_told(folder: Path) -> None:
    found, told = graded(
        folder,
        "id,name,email,path\n1,Alice A,a@example.edu,alice\n2,Carol,c@example.edu,day08/carol\n"
        "3,Eve,,eve.zip\n4,Fay,,\n",
    )
    assert list(found) == ["1", "2", "3", "4"]
    assert (found["1"].name, found["1"].email, server(found["1"])) == (
        "Alice A",
        "a@example.edu",
        "# alice\n",
    )
    assert server(found["2"]) == "# day08/carol\n"
    assert "there is no eve.zip" in (found["3"].problem or "")
    assert "nothing was handed in for 4" in (found["4"].problem or "")
    assert told == ["bob", "day08/dan"]


def test_the_roster_itself_may_be_named_and_lie_among_the_files(folder: Path) -> None:
    (folder / "class.csv").write_text("id,path\nx,bob\n")
    found = whole_class(folder / "class.csv", files=FILES)
    assert [(entry.student, server(entry)) for entry in found.entries] == [("x", "# bob\n")]
    assert "class.csv" not in {stray.source for stray in found.strays}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_rosters_as_spreadsheets_write_them(
    tmp_path: Path, newline: str, delimiter: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline)
    writer.writerow([" Path", "section", "NAME", "email", "ID"])
    writer.writerow(["alice.zip", "x", f'张三{delimiter} "三"', "z@example.edu", "2021001"])
    writer.writerow([""] * 5)
    writer.writerow(["", "", "李四", "", "2021002"])
    (tmp_path / "r.csv").write_bytes(out.getvalue().encode(encoding))
    first, second = roster.read(tmp_path / "r.csv")
    assert (first.id, first.name, first.email, first.path) == (
        "2021001", f"张三{delimiter} \"三\"", "z@example.edu", "alice.zip",
    )  # fmt: skip
    assert (second.id, second.name, second.path, second.line) == ("2021002", "李四", "", 4)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("id,name\n1,a\n2,b\n1,c\n", 4, "in line 2"),
        ('id,name\n1,"a\nb"\n1,c\n', 4, "in line 2"),
        ("name,path\na,b\n", 1, "no column id"),
        ("id,ID\n1,2\n", 1, "twice"),
        ("id,name\n,a\n", 2, "id is empty"),
        ("id,name,path\n1,Lovelace, Ada,a.zip\n", 2, "in quotes"),
        ('id,name\n1,"a\n', 2, "id,name,email,path"),
        ('id,name\n1,"a"b\n', 2, "id,name,email,path"),
        ("id,name\n1,\0\n", 2, "NUL"),
        ("", 1, "nobody"),
        ("id\n\n", 1, "nobody"),
    ],
)
def test_what_is_wrong_in_a_roster_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, why: str
) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        roster.read(path)
    assert f"r.csv, line {line}:" in caught.value.message and why in caught.value.message


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"id\n\xff\xff\xff"])
def test_a_roster_that_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "r.csv").write_bytes(data)
    with pytest.raises(UsageError, match=r"r\.csv, line 1"):
        roster.read(tmp_path / "r.csv")


def test_a_roster_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        roster.read(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "path", ["../secret", "/etc", "alice/../../secret", "\\\\server\\x", ".", "link/inner"]
)
def test_a_path_that_leads_outside_is_a_row_with_a_problem(folder: Path, path: str) -> None:
    (folder.parent / "secret").mkdir()
    (folder.parent / "secret" / "inner").mkdir()
    (folder / "link").symlink_to(folder.parent / "secret")
    found, _ = graded(folder, f"id,path\n1,{path}\n2,bob\n")
    assert found["1"].problem is not None and found["1"].path is None and found["2"].problem is None


def test_two_people_may_share_a_path_and_are_told(folder: Path) -> None:
    found, _ = graded(folder, "id,path\n1,bob\n2,bob\n")
    assert server(found["1"]) == server(found["2"]) == "# bob\n"
    assert found["1"].notes == ("The roster gives the same files to 2.",)


@pytest.mark.parametrize(
    ("source", "row"),
    [
        ("Lovelace Ada_12345_assignsubmission_file_/tcp_server.py", "ada7,Ada Lovelace,"),
        ("Lovelace Ada_12345_assignsubmission_file_/tcp_server.py", "12345,,"),
        ("lovelaceada_12_100_tcp_server.py", 'ada7,"Lovelace, Ada",'),
        ("lovelaceada_12_100_tcp_server.py", "ada7,Ada Lovelace,"),
        ("ada7/tcp_server.py", "ADA7,,"),
        ("ada/tcp_server.py", "7,,ada@example.edu"),
        ("ada@example.edu/tcp_server.py", "7,,Ada@example.edu"),
        ("Ada Lovelace.py", "7,Ada Lovelace,"),
        ("Ada Lovelace/tcp_server.py", '1,"Lovelace, Ada",'),
        ("Lovelace, Ada.py", "1,ada lovelace,"),
        ("lovelace_ada/tcp_server.py", "1,Ada Lovelace,"),
        ("ada-lovelace_tcp_server.py", '1,"Lovelace, Ada",'),
        ("José/tcp_server.py", "José,,"),
    ],
)
def test_without_a_path_the_id_the_address_or_the_name_must_fit(
    tmp_path: Path, source: str, row: str
) -> None:
    path = tmp_path / "class" / source
    path.parent.mkdir(parents=True)
    path.write_text("x\n")
    found, told = graded(tmp_path / "class", f"id,name,email\n{row}\n")
    [entry] = found.values()
    assert entry.problem is None and server(entry) == "x\n" and told == []


def test_a_name_that_fits_twice_is_no_choice_of_ours(tmp_path: Path) -> None:
    for number in (1, 2):
        path = tmp_path / "class" / f"Wang Wei_{number}_assignsubmission_file_tcp_server.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x\n")
    found, told = graded(tmp_path / "class", "id,name\na,Wang Wei\n")
    assert "several entries fit a" in (found["a"].problem or "") and len(told) == 2


def test_a_plain_folder_that_fits_twice_is_no_choice_of_ours(tmp_path: Path) -> None:
    for name in ("Wang Wei", "Wei Wang"):
        (tmp_path / "class" / name).mkdir(parents=True)
    found, told = graded(tmp_path / "class", 'id,name\na,"Wang, Wei"\n')
    assert "several entries fit a: Wang Wei, Wei Wang" in (found["a"].problem or "") and len(told) == 2


def test_two_people_whom_one_entry_fits_are_no_choice_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "class" / "Wang Wei_1_assignsubmission_file_tcp_server.py"
    path.parent.mkdir()
    path.write_text("x\n")
    found, _ = graded(tmp_path / "class", "id,name\na,Wang Wei\nb,Wei Wang\n")
    assert all("as well as" in (entry.problem or "") for entry in found.values())


def test_ids_that_are_unsafe_as_file_names_keep_apart(folder: Path) -> None:
    found, _ = graded(folder, "id,path\n../x,bob\n..x,alice\nA,\na,\n张三,\n")
    assert len({id_.casefold() for id_ in found}) == 5 and not any("/" in id_ for id_ in found)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120) | st.text(alphabet="id,name;\t\"'\n\rpath\0é", max_size=80).map(str.encode))
def test_no_roster_is_too_strange(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(data)
    try:
        people = roster.read(path)
        said = "read"
    except UsageError as error:
        people, said = [], error.message
    assert said.isprintable() and bool(people) == (said == "read")
    assert len({person.id for person in people}) == len(people)


ROW = st.tuples(
    st.sampled_from(["alice", "bob", "a", "b", "7"]),
    st.sampled_from(
        ["", "bob", "alice/", "./alice", "day08", "day08/carol", "day08/carol/tcp_server.py", "nobody"]
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_every_file_is_somebodys_or_told(folder: Path, rows: list[tuple[str, str]]) -> None:
    found, told = graded(folder, "id,path\n" + "".join(f"{id_},{path}\n" for id_, path in rows))
    assert sorted(found) == sorted(id_ for id_, _ in rows)
    paths = {"/".join(part.path) for entry in found.values() for part in entry.parts}
    for name in ("alice", "bob", "day08/carol", "day08/dan"):
        file = f"{name}/tcp_server.py"
        assert any(f"{file}/".startswith(f"{path}/") for path in {*paths, *told}), name
    assert not any(f"{left}/".startswith(f"{path}/") for left in told for path in paths)
