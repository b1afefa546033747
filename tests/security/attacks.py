"""Running attacks on a lab's host: as a submission runs, and, for comparison, without its fence."""

from __future__ import annotations

import json
import secrets
from typing import Any

from labgrader.checking.probes import Host
from labgrader.checking.programs import Program

# What each attack may use; `tell` gives its findings back.
HEAD = """
import ctypes, errno, fcntl, json, os, signal, socket, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    done = libc.syscall(ctypes.c_long(number), *arguments)
    return errno.errorcode.get(ctypes.get_errno(), '?') if done == -1 else 'done'
def tried(function, *arguments):
    try:
        function(*arguments)
        return 'done'
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def tell(found):
    sys.stdout.write('\\n' + TOKEN + json.dumps(found) + TOKEN + '\\n')
    sys.stdout.flush()
"""


def fenced(host: Host, script: str) -> Any:
    """What `script` tells when it runs as a submission does."""
    token = secrets.token_hex(8)
    with Program(host, ["/usr/bin/python3", "-c", f"TOKEN = '{token}'{HEAD}{script}"], 11200) as program:
        program.settle(30.0)
        return _told(program.text, token)


def unfenced(host: Host, script: str, user: str = "student") -> Any:
    """What it tells when it runs as the same user without the fence: what the kernel itself allows."""
    token = secrets.token_hex(8)
    argv = ["/usr/bin/python3", "-c", f"TOKEN = '{token}'{HEAD}{script}"]
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user != "root" else []
    return _told(host.run(*become, *argv, check=False)[1].encode(), token)


def _told(text: bytes, token: str) -> Any:
    parts = text.decode("utf-8", "replace").split(token)
    assert len(parts) == 3, text[-3000:]
    return json.loads(parts[1])
