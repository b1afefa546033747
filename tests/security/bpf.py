"""The kernel's classic BPF machine, as far as a seccomp filter uses it: runs a filter for any machine."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Instruction = tuple[int, int, int, int]
LOAD, AND, RETURN, JUMPS = 0x20, 0x54, 0x06, (0x15, 0x25, 0x35, 0x45)


def answer(
    program: Sequence[Instruction], architecture: int, number: int, arguments: Sequence[int] = ()
) -> int:
    """What the filter returns for one system call; AssertionError for what the kernel would not load."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
    accumulator, at = 0, 0
    while True:
        code, true, false, value = program[at]
        at += 1
        if code == LOAD:
            assert value % 4 == 0 and value + 4 <= len(data)
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == AND:
            accumulator &= value
        elif code == RETURN:
            return value
        else:
            assert code in JUMPS and at + max(true, false) < len(program)
            holds = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[code]
            at += true if holds else false
