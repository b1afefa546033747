"""What a file that should be text looks like instead. Pure."""

from __future__ import annotations

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "a compiled Linux program (ELF)"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or an Office document (.docx, .odt)"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.doc)"),
    (b"{\\rtf", "an RTF document"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"MZ", "a Windows program"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\xcf\xfa\xed\xfe", "a compiled macOS program"),
)
_NEEDS_A_NUL = (b"MZ", b"BZh", b"GIF8")  # ordinary text may begin with these


def looks_like(data: bytes) -> str | None:
    """What `data` is when it is not text in a one-byte-per-ASCII encoding ("a PNG picture"); None for text.

    UTF-16 and UTF-32 are told by name, for they have a remedy of their own.
    """
    has_nul = b"\0" in data
    for magic, name in _MAGIC:
        if data.startswith(magic) and (has_nul or magic not in _NEEDS_A_NUL):
            return name
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "text in UTF-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text in UTF-16"
    if not has_nul:
        return None
    if data[2:4] == b"\r\n" and len(data) >= 16:
        return "compiled Python (.pyc)"
    head = data[:2000]
    for offset in (0, 1):
        every_other = head[offset::2]
        if (
            len(every_other) > 4
            and every_other.count(0) > 0.7 * len(every_other)
            and any(head[1 - offset :: 2])
        ):
            return "text in UTF-16"
    return "binary data (it holds NUL bytes)"


def refusal(data: bytes) -> str | None:
    """The end of a sentence that refuses `data`: what it looks like, and the remedy. None for text."""
    found = looks_like(data)
    if found is None:
        return None
    if found.startswith("text in"):
        return f"is {found}; save it as UTF-8 and hand it in again."
    return f"is not a text file: it looks like {found}; hand in the text file itself."
