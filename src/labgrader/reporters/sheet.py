"""Another program's CSV file whose cells are filled in, and of which all else stays as it was. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from labgrader.errors import UsageError
from labgrader.printable import printable

_MARKS = (
    (codecs.BOM_UTF8, ("utf-8",)),
    (codecs.BOM_UTF16_LE, ("utf-16-le",)),
    (codecs.BOM_UTF16_BE, ("utf-16-be",)),
    # What is plain ASCII stays so: nobody knows as what it will be read.
    (b"", ("ascii", "utf-8", "gb18030", "cp1252")),
)
DELIMITERS = ",;\t"
# What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), full-width forms with them.
SIGNS = "=+\\-@＝＋－＠"
# Signs where a cell may begin: whoever opens the file chooses what separates cells, and what quotes them.
# What is not ASCII counts, too: an encoding without it has a reference there, which ends in a semicolon.
AFTER_CUT = re.compile(rf"""(?<=[,;|\t\r\n"'\x80-\U0010ffff])\s*[{SIGNS}][\s{SIGNS}]*""")


class OtherTable(UsageError):
    """The file is not the table that was wanted; it may well be another one."""

    def __init__(self, what: str, first_line: str) -> None:
        super().__init__(f"--template: this is not {what}; its first line is «{first_line}». Export it anew.")
        self.first_line = first_line


@dataclass(frozen=True)
class Cell:
    """A cell's value, and where it stands in the text, quotes and all."""

    start: int
    end: int
    value: str
    quoted: bool


@dataclass(frozen=True)
class Sheet:
    """A CSV file as it was read; the first record is the heading."""

    text: str
    mark: bytes
    encoding: str
    delimiter: str
    records: tuple[tuple[Cell, ...], ...]

    @property
    def heading(self) -> list[str]:
        """The names of the columns without blanks around them."""
        return [cell.value.strip() for cell in self.records[0]]

    def value(self, record: int, column: int) -> str:
        """A cell's value without blanks around it; nothing where the record is too short."""
        cells = self.records[record]
        return cells[column].value.strip() if column < len(cells) else ""


def read(data: bytes, is_heading: Callable[[list[str]], bool], what: str) -> Sheet:
    """The file, in whatever encoding and with whatever delimiter its first record is a heading that we know.

    OtherTable if there is none, UsageError if a record has more cells than the heading; `what` names the file
    wanted.
    """
    text = data
    for mark, encodings in _MARKS:
        if data.startswith(mark):
            text = data.removeprefix(mark)
            for encoding in encodings:
                sheet = _in_encoding(text, mark, encoding, is_heading)
                if sheet is not None:
                    return _checked(sheet)
            break
    raise OtherTable(what, printable(text.partition(b"\n")[0].strip(), 100))


def fill(sheet: Sheet, changes: Mapping[tuple[int, int], str]) -> bytes:
    """The file with `changes` by (record, column) made, and every other byte as it was.

    A character that the file's encoding lacks becomes an XML character reference.
    """
    pieces = []
    done = 0
    for (record, column), value in sorted(changes.items()):
        cells = sheet.records[record]
        if column < len(cells):
            start, end = cells[column].start, cells[column].end
            new = _written(value, sheet.delimiter, cells[column].quoted)
        else:
            start = end = cells[-1].end
            new = sheet.delimiter * (column - _last(changes, record, column, len(cells)))
            new += _written(value, sheet.delimiter, quoted=False)
        pieces += [sheet.text[done:start], new]
        done = end
    pieces.append(sheet.text[done:])
    return sheet.mark + "".join(pieces).encode(sheet.encoding, "xmlcharrefreplace")


def _last(changes: Mapping[tuple[int, int], str], record: int, column: int, width: int) -> int:
    """The last column that is there already when a short record is made longer up to `column`."""
    return max([width - 1, *(c for r, c in changes if r == record and width <= c < column)])


def _written(value: str, delimiter: str, quoted: bool) -> str:
    if quoted or re.search(f'["\r\n{delimiter}]', value) or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value


def _in_encoding(
    data: bytes, mark: bytes, encoding: str, is_heading: Callable[[list[str]], bool]
) -> Sheet | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    if text.encode(encoding) != data:
        return None
    for delimiter in DELIMITERS:
        records = _records(text, delimiter)
        if records and is_heading([cell.value.strip() for cell in records[0]]):
            return Sheet(text, mark, encoding, delimiter, records)
    return None


def _records(text: str, delimiter: str) -> tuple[tuple[Cell, ...], ...]:
    """The records, lines without any character left out; none if a quote is never closed."""
    pattern = re.compile(f'"((?:[^"]|"")*)"|([^"\r\n{delimiter}][^\r\n{delimiter}]*|)')
    records: list[tuple[Cell, ...]] = []
    cells: list[Cell] = []
    place = 0
    while True:
        found = pattern.match(text, place)
        assert found is not None
        quoted = found[1] is not None
        value = found[1].replace('""', '"') if quoted else found[2]
        cells.append(Cell(place, found.end(), value, quoted))
        place = found.end()
        if text.startswith(delimiter, place):
            place += 1
            continue
        if place < len(text) and text[place] not in "\r\n":
            return ()  # a quote that is never closed, or something after a closing one
        if len(cells) > 1 or cells[0].end > cells[0].start:
            records.append(tuple(cells))
        cells = []
        if place == len(text):
            return tuple(records)
        place += 2 if text.startswith("\r\n", place) else 1


def _checked(sheet: Sheet) -> Sheet:
    width = len(sheet.records[0])
    for cells in sheet.records[1:]:
        if len(cells) > width and any(cell.value for cell in cells[width:]):
            raise UsageError(
                f"--template: line {_line(sheet, cells)} has {len(cells)} cells, the heading {width}. "
                "Export it anew."
            )
    return sheet


def _line(sheet: Sheet, cells: Sequence[Cell]) -> int:
    before = sheet.text[: cells[0].start].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1
