"""Connections that nobody has any more are ended, so that the next start finds its port free."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from labgrader import guest

pytestmark = pytest.mark.namespaces
LIB = f"{guest.__path__[0]}/lib"
# A server that closed two connections, one of them only half; their clients do not close them.
SCRIPT = """
import json, socket, sys, time
sys.path.insert(0, sys.argv[1])
import sockdiag

def there():
    with open("/proc/net/tcp") as file:
        return [line.split()[3] for line in file.read().splitlines()[1:]].count("05")

def until(count):
    deadline = time.monotonic() + 10
    while there() != count and time.monotonic() < deadline:
        time.sleep(0.001)
    return there()

listener = socket.socket()
listener.bind(("", 11200))
listener.listen()
clients = [socket.create_connection(("127.0.0.1", 11200)) for _ in range(2)]
whole, half = (listener.accept()[0] for _ in clients)
listener.close()
whole.close()
half.shutdown(socket.SHUT_WR)
seen = [until(2)]
sockdiag.forget(11201, 5)
seen.append(there())
sockdiag.forget(11200, 5)
seen.append(until(1))
half.close()
until(1)
trial = socket.socket()
try:
    trial.bind(("", 11200))
    seen.append("free")
except OSError:
    seen.append("in use")
sockdiag.forget(11200, 5)
seen.append(until(0))
trial.bind(("", 11200))
print(json.dumps(seen))
"""


def test_what_a_program_still_has_stays_and_what_nobody_has_is_ended() -> None:
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-I", "-c", SCRIPT, LIB]
    command = ["unshare", "--user", "--map-root-user", "--net", *inside]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [2, 2, 1, "in use", 0]
