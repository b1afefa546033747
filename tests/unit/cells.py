"""A table as spreadsheets open it that are told of another separator, and what is a formula in it then."""

from __future__ import annotations

import csv
import io

DELIMITERS = ",;\t|"
SIGNS = "=+-@＝＋－＠"
FORMULAS = [
    "=cmd|' /C calc'!A0", "x;=cmd|calc", "x,=1+1", "x;  =1", "x\t=1", "x|@SUM(A1)", 'x"=1', "x';=1", 'x";"=1',
    "x\n=1", "x\r\n+1", "x;＝1", "x;=;=;-1", "x;'=1", ";;==--1", "&=1", "<=1", 'a"+1', "你=1", "é;-1", "\\=1",
    "x;\u00a0=1",
]  # fmt: skip


def formulas(text: str, delimiter: str) -> list[str]:
    """The cells that begin with a formula's sign, by a reader that minds quotes and by one that does not."""
    cells = [cell for line in text.splitlines() for cell in line.split(delimiter)]
    cells += [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in row]
    starts = [(cell, cell.strip().strip('"').strip()[:1]) for cell in cells]
    return [cell for cell, start in starts if start and start in SIGNS]
