"""Canvas's export and Moodle's worksheet, filled in and read back by the rules of their importers."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader.errors import UsageError
from labgrader.model.class_results import Row
from labgrader.model.results import Evidence
from labgrader.reporters import canvas, moodle, sheet
from tests.golden.class_samples import CLASS
from tests.golden.reports import FULL_MARKS, LOOPBACK_ONLY
from tests.unit.cells import DELIMITERS, FORMULAS, formulas

BOM = "\ufeff"
CANVAS = (
    BOM
    + "Student,ID,SIS User ID,SIS Login ID,Section,Warm-up (41),TCP server (42),Current Score,Final Score\r\n"
    ",,,,,Manual Posting,,(read only),(read only)\r\n"
    "    Points Possible,,,,,10,50,(read only),(read only)\r\n"
    '"Liddell, Alice",501,u501,alice,"Lab 1, and Lab 2",9,,90,90\r\n'
    '"O\'Neill, Bob",502,u502,bob@example.org,Lab 1,"8",7.5,80,80\r\n'
    '"Danvers, ""Carol""",503,u503,carol,Lab 1,,"",,\r\n'
    '"Bowman, Dave",504,u504,dave,Lab 1,,12,,\r\n'
    '"三, 张",505,u505,zhangsan,Lab 1,,,,\r\n'
    '"Student, Test",599,,f00,Lab 1,,,,'
)


def canvas_imports(data: bytes, title: str) -> dict[int, str]:
    """The grades by student's ID that Canvas reads (canvas-lms, lib/gradebook_importer.rb)."""
    text = data.decode("utf-8-sig")
    rows = list(
        csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in text.split("\n")[0] else ",")
    )
    heading = rows[0]
    assert "Student" in heading[0] and "ID" in heading[1] and len(heading) > 3
    information = 3
    if re.search(r"SIS\s+Login\s+ID", heading[2]):
        information += 1
    elif re.search(r"SIS\s+User\s+ID", heading[2]) and re.search(r"SIS\s+Login\s+ID", heading[3]):
        information += 2
    assert "Section" in heading[information - 1]
    place = heading.index(title)
    found = {}
    for row in rows[1:]:
        if "Points Possible" in row[0]:
            assert not re.search(r"read\s+only", row[place])
        elif not all(re.fullmatch(r"\s*(Muted|Manual Posting.*|\(read only\))?\s*", cell) for cell in row):
            found[int(row[1])] = row[place].strip()
    return found


def test_canvas_reads_the_scores_scaled_and_everything_else_is_untouched() -> None:
    written = canvas.render(CLASS, CANVAS.encode(), "TCP server")
    data = written.files["canvas.csv"]
    assert canvas_imports(data, "TCP server (42)") == {
        501: "50", 502: "7.5", 503: "0", 504: "12", 505: "35", 599: "",
    }  # fmt: skip
    expected = CANVAS.replace("9,,90", "9,50,90").replace('Lab 1,,"",,', 'Lab 1,,"0",,')
    expected = expected.replace("zhangsan,Lab 1,,,,", "zhangsan,Lab 1,,35,,")
    assert data == expected.encode()
    told = " / ".join(written.told)
    assert "scaled from 100 to 50" in told
    assert "dave: no score" in told and "erin: no score" in told
    assert "=cmd" in told  # the hostile one has no line


def test_a_read_only_column_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="does not read that column back; it reads «Warm-up"):
        canvas.render(CLASS, CANVAS.replace("10,50,", "10,(read only),").encode(), "TCP server")


@pytest.mark.parametrize("column", [None, "Quiz", "Current Score", "ID", "Final Score", ""])
def test_a_column_that_canvas_does_not_read_is_wrong_usage(column: str | None) -> None:
    with pytest.raises(UsageError, match=r"TCP server \(42\)"):
        canvas.render(CLASS, CANVAS.encode(), column)


def test_two_columns_of_one_title_are_told_apart_by_their_number() -> None:
    twice = CANVAS.replace("Warm-up (41)", "TCP server (41)").encode()
    with pytest.raises(UsageError, match="2 columns"):
        canvas.render(CLASS, twice, "TCP server")
    found = canvas.render(CLASS, twice, "TCP server (41)").files["canvas.csv"]
    assert canvas_imports(found, "TCP server (41)")[501] == "10"


def test_semicolons_line_ends_and_first_and_last_names_are_as_canvas_writes_them() -> None:
    text = (
        "LastName;FirstName;ID;SIS Login ID;Section;TCP (7)\n"
        "Points Possible;;;;;100,00\n"
        "Liddell;Alice;501;al;L;\n\n"
        "三;张;505;zs;L;-\n"
    )
    found = canvas.render(CLASS, text.encode(), "TCP").files["canvas.csv"].decode()
    assert found == text.replace("501;al;L;", "501;al;L;100").replace("zs;L;-", "zs;L;70")


def one(**changes: object) -> Row:
    return replace(Row("x1", "Ann Lee", report=FULL_MARKS), **changes)  # type: ignore[arg-type]  # by field


NAMESAKES = (
    "Student,ID,SIS Login ID,Section,T (1)\nPoints Possible,,,,100\n"
    '"Lee, Ann",1,a1@e.org,S,\n"Lee, Ann",2,a2@e.org,S,\n"Ng, Bo",3,b,S,\n'
)


@pytest.mark.parametrize(
    ("rows", "scores", "said"),
    [
        ([one()], {}, "2 lines of the Canvas export fit"),
        ([one(email="A2@e.org")], {2: "100"}, ""),
        ([one(keys={"canvas": "1"})], {1: "100"}, ""),
        ([one(student="b")], {3: "100"}, ""),
        # An id that is not there is no reason to take the namesake's line.
        ([one(name="Bo Ng", keys={"canvas": "9"})], {}, "no line"),
        ([one(name="Bo Ng"), one(student="x2", name="Ng, Bo")], {}, "the only line"),
        ([one(student="b"), one(student="x2", name="Bo Ng")], {3: "100"}, "x2"),
        ([one(name=None)], {}, "no line"),
    ],
)
def test_a_line_is_taken_only_if_it_is_one_students(
    rows: list[Row], scores: dict[int, str], said: str
) -> None:
    written = canvas.render(replace(CLASS, rows=tuple(rows)), NAMESAKES.encode(), "T")
    found = canvas_imports(written.files["canvas.csv"], "T (1)")
    assert {line: grade for line, grade in found.items() if grade} == scores
    assert said in " / ".join(written.told)
    assert len(written.told) == len(rows) - len(scores)


ENGLISH = (
    BOM + 'Identifier,"Full name","Email address",Status,Grade,"Maximum grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
    '"Participant 1001","Alice Liddell",alice@example.org,"Submitted for grading",,10.00,Yes,-,-,\n'
    '"Participant 1002","Bob O\'Neill",bob@example.org,"Submitted",3.00,10.00,Yes,-,-,"<p>old</p>"\n'
    '"Participant 1003","三 张",,"Submitted",,10.00,Yes,-,-,\n'
    '"Participant 1004","Dave Bowman",dave@example.org,"Submitted",7.00,10.00,Yes,-,-,"<p>kept</p>"\n'
    '"Participant 1005","Nobody Else",nobody@example.org,"No submission",,10.00,Yes,-,-,\n'
)
PARTICIPANT = {"Identifier": "Participant ", "ID": "Teilnehmer/in", "标识符": "参与人", "识别码": "参与者"}
GRADE = {"Identifier": "Grade", "ID": "Bewertung", "标识符": "成绩", "识别码": "成绩"}
MODIFIED = {
    "Identifier": "Last modified (grade)", "ID": "Zuletzt geändert (Bewertung)", "标识符": "上次修改（评分）",
    "识别码": "最后修改（教师）",
}  # fmt: skip


def php_csv(text: str) -> list[list[str]]:
    """Rows as PHP's fgetcsv reads them: in quotes, a backslash takes its meaning from what follows."""
    rows: list[list[str]] = [[]]
    cell, quoted, place = "", False, 0
    while place < len(text):
        char = text[place]
        if quoted and char == "\\" and place + 1 < len(text):
            cell += text[place : place + 2]
            place += 1
        elif quoted and char == '"':
            if text[place + 1 : place + 2] == '"':
                cell += '"'
                place += 1
            else:
                quoted = False
        elif not quoted and char == '"' and not cell:
            quoted = True
        elif not quoted and char in ",\n":
            rows[-1].append(cell)
            cell = ""
            if char == "\n":
                rows.append([])
        else:
            cell += char
        place += 1
    return rows[:-1] if not rows[-1] and not cell else rows


def moodle_imports(data: bytes, encoding: str = "utf-8-sig") -> dict[int, tuple[str, str]]:
    """Grade and feedback by participant, as Moodle reads them (mod/assign/feedback/offline: importgradeslib,
    locallib); a grade out of range is passed over there, and wrong here."""
    heading, *rows = php_csv(data.decode(encoding).replace("\r\n", "\n"))
    assert all(len(row) == len(heading) for row in rows)
    number = heading[0]
    grade, _ = heading.index(GRADE[number]), heading.index(MODIFIED[number])
    found = {}
    for row in rows:
        participant = row[0][len(PARTICIPANT[number]) :]
        assert row[grade] == "" or 0 <= float(row[grade]) <= float(row[5].replace(",", "."))
        found[int(participant)] = row[grade], row[-1]
    return found


def test_moodle_reads_grades_and_feedback_and_keeps_the_rest() -> None:
    written = moodle.render(CLASS, ENGLISH.encode())
    data = written.files["moodle.csv"]
    found = moodle_imports(data)
    assert {who: grade for who, (grade, _) in found.items()} == {
        1001: "10", 1002: "1.5", 1003: "7", 1004: "7.00", 1005: "",
    }  # fmt: skip
    assert found[1004][1] == "<p>kept</p>" and found[1005][1] == ""
    assert "loopback" not in found[1002][1] and "It listens on 127.0.0.1:11200 only" in found[1002][1]
    assert "first mend «V1 reaches the server" in found[1002][1]
    assert "A secret" not in found[1003][1]
    lines, before = data.decode().splitlines(), ENGLISH.splitlines()
    assert [line for n, line in enumerate(lines) if n not in (1, 2, 3)] == [before[0], before[4], before[5]]
    assert '"Alice Liddell",alice@example.org,"Submitted for grading",10,10.00,Yes,-,-,' in lines[1]
    assert any(line.startswith("carol (Carol Danvers): no line") for line in written.told)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16", "gb18030"])
@pytest.mark.parametrize("text", FORMULAS)
def test_what_is_filled_in_is_no_formula_whatever_separates_cells(text: str, encoding: str) -> None:
    check = replace(
        LOOPBACK_ONLY.checks[1], title=text, message=text, hint=text, evidence=(Evidence(text, text),)
    )
    report = replace(LOOPBACK_ONLY, checks=(check, *LOOPBACK_ONLY.checks[2:]), notes=(text,))
    rows = (replace(CLASS.rows[0], report=report, notes=(f"x{text}",)),)
    worksheet = ENGLISH.removeprefix(BOM)
    if encoding == "cp1252":
        worksheet = worksheet.replace("三 张", "Groß")  # and no GB 18030
    found = moodle.render(replace(CLASS, rows=rows), worksheet.encode(encoding)).files["moodle.csv"]
    for delimiter in DELIMITERS:  # «-» is Moodle's own, where there is no date
        assert formulas(found.decode(encoding), delimiter) == formulas(worksheet, delimiter)
    imported = html.unescape(moodle_imports(found, encoding)[1001][1])
    assert " ".join(html.unescape(text).split()) in imported  # the reader sees what was said
    filled = canvas.render(replace(CLASS, rows=rows), CANVAS.removeprefix(BOM).encode("utf-8"), "TCP server")
    for delimiter in DELIMITERS:
        assert formulas(filled.files["canvas.csv"].decode(), delimiter) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252", "utf-16"])
def test_german_headings_and_encodings(encoding: str) -> None:
    text = (
        "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung,Bestwertung,Zuletzt geändert (Bewertung),"
        "Feedback als Kommentar\r\n"
        'Teilnehmer/in1002,Jürgen Groß,j@example.org,-,,"20,00",-,\r\n'
    )
    data = text.encode(encoding)
    found = moodle.render(CLASS, data).files["moodle.csv"]
    imported = moodle_imports(found, encoding)[1002]
    assert imported[0] == "3" and "It listens on" in imported[1]
    assert found.decode(encoding).startswith(text[: text.index(",-,,")])
    if encoding == "cp1252":
        assert b"J\xfcrgen" in found and b"&#26381;" in found  # Chinese that the encoding lacks


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
@pytest.mark.parametrize("number", ["标识符", "识别码"])
def test_chinese_headings(number: str, encoding: str) -> None:
    text = (
        f"{number},全名,电子邮件地址,状态,成绩,最高分,{MODIFIED[number]},反馈评论\n"
        f"{PARTICIPANT[number]}1003,张三,,-,,100.00,-,\n"
    )
    found = moodle.render(CLASS, text.encode(encoding)).files["moodle.csv"]
    assert moodle_imports(found, encoding)[1003][0] == "70"


def test_a_scale_cannot_be_filled_with_points() -> None:
    with pytest.raises(UsageError, match="by a scale"):
        moodle.render(CLASS, b"Identifier,Grade,Scale,Last modified (grade)\nParticipant 1,,x,-\n")


def test_feedback_that_is_too_long_leaves_out_evidence_and_no_check() -> None:
    evidence = tuple(Evidence(f"Printed {n}", "y" * 199) for n in range(60))
    long = replace(LOOPBACK_ONLY.checks[1], evidence=evidence)
    report = replace(LOOPBACK_ONLY, checks=(LOOPBACK_ONLY.checks[0], long, *LOOPBACK_ONLY.checks[2:]))
    said = moodle.feedback(report)
    assert "yyy" not in said and all(html.escape(check.title) in said for check in report.checks)
    assert "What the program printed" in moodle.feedback(LOOPBACK_ONLY)


def test_backslashes_and_quotes_in_feedback_survive_moodles_reader() -> None:
    check = replace(LOOPBACK_ONLY.checks[1], message='ends in a backslash and a quote \\" or \\\\"')
    report = replace(LOOPBACK_ONLY, checks=(check, *LOOPBACK_ONLY.checks[1:]))
    rows = (replace(CLASS.rows[0], report=report), CLASS.rows[1])
    found = moodle_imports(moodle.render(replace(CLASS, rows=rows), ENGLISH.encode()).files["moodle.csv"])
    assert len(found) == 5 and "&#92;&quot;" in found[1001][1]


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00\xff\xfe", b"a,b,c\n1,2,3\n", CANVAS.encode() + b'\n"cut', ENGLISH.encode() + b'"cut'],
    ids=["empty", "bytes", "other table", "cut off canvas", "cut off moodle"],
)
def test_what_is_no_template_is_wrong_usage(data: bytes) -> None:
    with pytest.raises(UsageError, match="--template"):
        canvas.render(CLASS, data, "TCP server")
    with pytest.raises(UsageError, match="--template"):
        moodle.render(CLASS, data)


def test_a_line_with_too_many_cells_is_named() -> None:
    with pytest.raises(UsageError, match="line 4 has 6 cells"):
        canvas.render(CLASS, (NAMESAKES.replace("a2@e.org,S,", "a2@e.org,S,,x")).encode(), "T")


CELL = st.text(st.sampled_from('ab ",;\n\té你='), max_size=6)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=5),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    st.integers(0, 5),
    CELL,
)
def test_one_cell_is_changed_and_no_other(
    rows: list[list[str]], delimiter: str, end: str, encoding: str, line: int, value: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([["one", "zwö", "three"], *rows])
    data = text.getvalue().encode(encoding)
    table = sheet.read(data, lambda cells: cells == ["one", "zwö", "three"], "a table")
    assert [[cell.value for cell in record] for record in table.records[1:]] == rows
    assert sheet.fill(table, {}) == data
    if line < len(rows):
        after = sheet.fill(table, {(line + 1, 1): value}).decode(encoding)
        rows[line][1] = value
        found = list(csv.reader(io.StringIO(after, newline=""), delimiter=delimiter))
        assert found[1:] == rows


def test_a_plain_file_stays_plain() -> None:
    table = sheet.read(b"one,two\n,\n", lambda cells: cells == ["one", "two"], "a table")
    assert sheet.fill(table, {(1, 1): "你"}) == b"one,two\n,&#20320;\n"


def test_a_short_line_is_made_long_enough() -> None:
    table = sheet.read(b"one,two,three,four\na\n", lambda cells: cells[:1] == ["one"], "a table")
    assert sheet.fill(table, {(1, 3): "d", (1, 1): "b"}) == b"one,two,three,four\na,b,,d\n"
