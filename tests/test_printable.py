"""printable: nothing that a student wrote reaches a terminal as anything but plain characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labgrader.printable import printable, printable_block, without_commands

ANYTHING = st.one_of(st.text(st.characters(), max_size=400), st.binary(max_size=400))
TERMINAL = st.lists(
    st.sampled_from(
        ["\x1b", "\x1b[", "\x9b", "\x1b]", "\x07", "\x1b\\", "0;", "31m", "\n", "\r", "\t", "a", "你"]
    )
).map("".join)
FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _is_plain(text: str) -> bool:
    return all(unicodedata.category(character) not in FORBIDDEN for character in text)


@given(ANYTHING | TERMINAL, st.integers(1, 300))
@example("\u202etxt.exe", 200)
@example(b"\xff\xfe\x00", 3)
def test_a_name_has_no_control_or_format_character_and_keeps_its_length(
    text: str | bytes, limit: int
) -> None:
    shown = printable(text, limit)
    assert _is_plain(shown)
    assert len(shown) <= limit


@given(ANYTHING | TERMINAL, st.integers(1, 20), st.integers(1, 80))
def test_a_block_is_plain_but_for_newlines_and_keeps_its_size(
    text: str | bytes, lines: int, columns: int
) -> None:
    shown = printable_block(text, lines, columns)
    assert _is_plain(shown.replace("\n", ""))
    assert len(shown.split("\n")) <= lines
    assert all(len(line) <= columns for line in shown.split("\n"))


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=100))
def test_ordinary_text_comes_out_unchanged(text: str) -> None:
    assert printable(text) == text
    assert printable_block(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tcp server.py", "tcp server.py"),
        ("服务器\u3000一.py", "服务器\u3000一.py"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("abc\u202egpj.py", "abc\\u202egpj.py"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff.py", "\\xff.py"),
        (b"\xff\x00", "\\xff\\x00"),
        ("x" * 201, "x" * 199 + "…"),
    ],
)
def test_names(text: str | bytes, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m\r\n\x1b]0;title\x07plain\n", "red\nplain"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jwiped", "wiped"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x1b]never ends", "\\x1b]never ends"),
        ("10%\r20%", "10%\\r20%"),
        ("a\tb", "a       b"),
        ("two\r\r\nlines", "two\nlines"),
        (b"bell\x07", "bell\\x07"),
        ("", ""),
    ],
)
def test_blocks(text: str | bytes, shown: str) -> None:
    assert printable_block(text) == shown


def test_a_long_block_keeps_its_first_and_last_lines() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    assert printable_block(text, max_lines=5) == "line 0\nline 1\n… 96 lines left out …\nline 98\nline 99"


def test_a_flood_is_cut_without_being_walked_character_by_character() -> None:
    assert printable_block("\x1b]" * 2_000_000, 2, 20) == "\\x1b]\\x1b]\\x1b]\\x1b]…"[:19] + "…"
    assert len(printable_block(b"\t" * 5_000_000)) == 200


@pytest.mark.parametrize("call", [lambda: printable("x", 0), lambda: printable_block("x", 0)])
def test_a_limit_of_nothing_is_the_callers_mistake(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match="at least 1"):
        call()


@given(st.text(alphabet=":#[ \n\tset-env", max_size=60))
def test_no_words_are_commands_to_the_runner_that_reads_them(text: str) -> None:
    shown = without_commands(text)
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    assert "##[" not in shown
    assert shown.replace(" ", "") == text.replace(" ", "")
