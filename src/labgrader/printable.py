"""Text that students or their machines wrote, made safe to show on a terminal or in a report. Pure."""

from __future__ import annotations

import re
import unicodedata

_ELLIPSIS = "…"
# Whole terminal sequences: CSI, then OSC/DCS/SOS/PM/APC with their terminator, then two-character escapes.
# No body may hold an ESC, so that a match never scans the same text twice.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-WYZ\\`-~]"
)
# A line that begins with :: and ##[ anywhere (actions/runner, ActionCommand.cs).
_COMMAND = re.compile(r"^\s*:(?=:)|##(?=\[)", re.MULTILINE)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _shown(character: str) -> str:
    # Blanks other than the plain one (U+3000 of Chinese text, no-break space) are harmless.
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8, as os.fsdecode gives it
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _line(text: str, limit: int) -> str:
    """Escapes one line; at most `limit` characters, the last one an ellipsis if something was cut off."""
    shown = "".join(map(_shown, text[: limit + 1]))
    return shown if len(shown) <= limit else shown[: limit - 1] + _ELLIPSIS


def _decoded(text: str | bytes) -> str:
    return text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text


def printable(text: str | bytes, limit: int = 200) -> str:
    """Shows a name or a short message on one line.

    Control characters (terminal sequences with them), format characters such as bidirectional overrides,
    and bytes that are not UTF-8 come out escaped. At most `limit` characters (at least 1).

    >>> printable(b"tcp\\x1b[31m_server.py")
    'tcp\\\\x1b[31m_server.py'
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    # Four bytes at most make a character: nothing beyond these can be shown.
    return _line(_decoded(text[: 4 * limit + 4]), limit)


def printable_block(text: str | bytes, max_lines: int = 40, max_columns: int = 200) -> str:
    """Shows output of several lines as evidence, without a final newline.

    Terminal sequences (colours, titles) are taken out whole, other control and format characters escaped,
    tabs expanded. Of more than `max_lines` lines the first and the last are kept, with a line between them
    that counts what was left out; a line longer than `max_columns` ends with an ellipsis. Both at least 1.
    """
    if max_lines < 1 or max_columns < 1:
        raise ValueError("max_lines and max_columns must be at least 1")
    # Only from the first of a row of carriage returns on, or a long row is scanned once for each of them.
    plain = re.sub(r"(?<!\r)\r+\n", "\n", _SEQUENCE.sub("", _decoded(text)))
    lines = plain.removesuffix("\n").split("\n")
    left_out = len(lines) - max_lines
    if left_out > 0:
        head = max_lines // 2
        tail = max_lines - head - 1
        marker = f"{_ELLIPSIS} {left_out + 1} lines left out {_ELLIPSIS}"
        lines = [*lines[:head], marker, *lines[len(lines) - tail :]]
    return "\n".join(_line(line[: max_columns + 1].expandtabs(8), max_columns) for line in lines)


def without_commands(text: str) -> str:
    """Text in which GitHub's runner finds no command, a blank inside of whatever looked like one.

    It reads what a job prints, and a student's words must not hide lines or mark others as errors there.

    >>> without_commands("::error::all is lost")
    ': :error::all is lost'
    """
    return _COMMAND.sub(r"\g<0> ", text)
