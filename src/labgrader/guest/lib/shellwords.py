"""Reads KEY=VALUE files the way a POSIX shell would, without ever running anything.

``/etc/sysconfig`` files are sourced by a shell on RHEL, so quotes, escapes, comments and
continuation lines mean what they mean there. Whatever a shell would execute (``$(...)``,
backquotes, bare words, redirections) is data here: it is reported, never run.
"""

from collections import namedtuple

# value: str; path: str; line: int (1-based); problem: None, or why the value cannot be used
Setting = namedtuple("Setting", "value path line problem")

_Word = namedtuple("_Word", "text line key problem")  # key: None unless the word is KEY=...

_NAME_START = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
_NAME = _NAME_START + "0123456789"
_OPERATORS = "&|<>()"
_SPECIAL_PARAMETERS = "{(*@#?-$!"


class ShellSyntaxError(Exception):
    """A shell would stop reading here; ``str()`` is one sentence with file and line."""


def show(value, limit=60):
    """Return ``value`` as a short quoted ASCII string that is safe to print on a terminal."""
    text = value if len(value) <= limit else value[:limit] + "..."
    return "'" + "".join(c if " " <= c <= "~" else _escape(c) for c in text) + "'"


def _escape(char):
    code = ord(char)
    if char in "\r\n\t":
        return {"\r": "\\r", "\n": "\\n", "\t": "\\t"}[char]
    return "\\x%02x" % code if code < 0x100 else "\\u%04x" % code


def parse(text, path):
    """Return ``(settings, notes)`` of a KEY=VALUE file.

    settings: dict of key to Setting, the last assignment winning; notes: sentences on lines that a
    shell would have taken for something else than an assignment. ``path`` is only used in sentences.
    Raises ShellSyntaxError, as for a quote that is never closed.
    """
    settings = {}
    notes = []
    carriage_return = False
    for words in _commands(text, path):
        rest = words[1:] if words[0].text == "export" and len(words) > 1 else words
        stranger = next((w for w in rest if w.key is None), None)
        if stranger is None:
            for word in rest:
                settings[word.key] = Setting(word.text, path, word.line, word.problem)
        elif stranger.text != "\r" or not carriage_return:
            carriage_return = carriage_return or stranger.text == "\r"
            notes.append("%s:%d: %s" % (path, stranger.line, _not_a_setting(words, stranger)))
    return settings, notes


def _not_a_setting(words, stranger):
    text = stranger.text
    if text.startswith("\ufeff"):
        return "the line begins with a UTF-8 byte order mark, so it is not a setting; save without BOM."
    if text == "\r":
        return "the line holds a carriage return (Windows line ending); save with Unix line endings."
    if stranger is words[0] and len(words) > 1 and words[1].text.startswith("="):
        return "spaces around '=' make %s a command, not a setting; write KEY=VALUE." % show(text)
    if "\uff1d" in text:
        return "%s has a full-width equals sign; write KEY=VALUE with an ASCII '='." % show(text)
    if stranger is not words[0]:
        return "%s after a setting makes the line a command, so nothing is set; quote values with spaces." % (
            show(text)
        )
    return "%s is not KEY=VALUE and is ignored." % show(text)


def _commands(text, path):
    """Yield the non-empty lists of words between newlines and semicolons."""
    words: "list[_Word]" = []
    pos, line, size = 0, 1, len(text)
    while pos < size:
        char = text[pos]
        if char in "\n;":
            if words:
                yield words
            elif char == ";":
                raise ShellSyntaxError("%s:%d: a ';' stands where a setting is expected." % (path, line))
            words = []
            line += char == "\n"
            pos += 1
        elif char in " \t":
            pos += 1
        elif char == "\\" and text[pos + 1 : pos + 2] == "\n":
            pos, line = pos + 2, line + 1
        elif char == "#":
            end = text.find("\n", pos)
            pos = size if end < 0 else end
        elif char in _OPERATORS:
            if words:
                yield [w._replace(problem=w.problem or _operator(char)) for w in words]
            words = []
            pos += 1
        else:
            word, pos, line = _word(text, pos, line, path)
            words.append(word)
    if words:
        yield words


def _operator(char):
    return "an unquoted %r makes the line a command" % char


def _word(text, pos, line, path):
    out: "list[str]" = []
    problem = None
    start = line
    key = None
    size = len(text)
    name_open = text[pos] in _NAME_START
    while pos < size:
        char = text[pos]
        if char in " \t\n;" or char in _OPERATORS:
            break
        if key is None and name_open:
            if char == "=":
                key, out, name_open = "".join(out), [], False
                pos += 1
                continue
            name_open = char in _NAME
        if char == "'":
            end = text.find("'", pos + 1)
            if end < 0:
                raise ShellSyntaxError(
                    "%s:%d: a single quote is opened here and never closed." % (path, line)
                )
            out.append(text[pos + 1 : end])
            line += text.count("\n", pos, end)
            pos = end + 1
        elif char == '"':
            part, pos, line, trouble = _double_quoted(text, pos, line, path)
            out.append(part)
            problem = problem or trouble
        elif char == "\\":
            follower = text[pos + 1 : pos + 2]
            if follower == "\n":
                line += 1
            else:
                out.append(follower or "\\")
            pos += 2
        else:
            problem = problem or _expansion(text, pos)
            end = _expansion_end(text, pos)
            out.append(text[pos:end])
            line += text.count("\n", pos, end)
            pos = end
    return _Word("".join(out), start, key, problem), pos, line


def _double_quoted(text, pos, line, path):
    opened = line
    out: "list[str]" = []
    problem = None
    pos += 1
    size = len(text)
    while pos < size:
        char = text[pos]
        if char == '"':
            return "".join(out), pos + 1, line, problem
        if char == "\\" and text[pos + 1 : pos + 2] in tuple('$`"\\\n'):
            if text[pos + 1] == "\n":
                line += 1
            else:
                out.append(text[pos + 1])
            pos += 2
            continue
        problem = problem or _expansion(text, pos)
        end = _expansion_end(text, pos)
        out.append(text[pos:end])
        line += text.count("\n", pos, end)
        pos = end
    raise ShellSyntaxError("%s:%d: a double quote is opened here and never closed." % (path, opened))


def _expansion(text, pos):
    """Say why the character at ``pos`` makes a value that only a running shell could know, or None."""
    char = text[pos]
    if char == "`":
        return "commands in backquotes are not run"
    if char == "$":
        follower = text[pos + 1 : pos + 2]
        if follower == "(":
            return "commands in $(...) are not run"
        if follower and (follower in _NAME or follower in _SPECIAL_PARAMETERS):
            return "shell variables are not expanded"
    return None


def _expansion_end(text, pos):
    """Return where the expansion at ``pos`` ends: past its closing bracket or quote, or one character on."""
    opener = text[pos : pos + 2]
    if text[pos] == "`":
        end = text.find("`", pos + 1)
        return end + 1 if end >= 0 else pos + 1
    if opener not in ("$(", "${"):
        return pos + 1
    closer = ")" if opener == "$(" else "}"
    depth = 0
    for at in range(pos + 1, min(len(text), pos + 1000)):  # bounded: unclosed ones must not cost n squared
        if text[at] == opener[1]:
            depth += 1
        elif text[at] == closer:
            depth -= 1
            if depth == 0:
                return at + 1
    return pos + 2
