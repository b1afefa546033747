"""The grader's hands on a lab host: one JSON line in, one JSON line out, over an SSH channel.

Runs as root on every host (Python 3.6 syntax, standard library only), started by the grader, never by
the student. A request is {"id": n, "op": name, ...}; the answer {"id": n, ...} or {"id": n, "broken":
sentence} when the agent itself failed. Requests run side by side, one thread each. Bytes travel as
latin-1 text. It sends and receives bytes and starts programs; it judges nothing.
"""

import json
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import agent_host
import agent_network
import agent_program

_write_lock = threading.Lock()
OPERATIONS = {
    name[3:]: function
    for module in (agent_network, agent_host, agent_program)
    for name, function in vars(module).items()
    if name.startswith("op_")
}


def answer(request):
    """Run one request and write its answer."""
    number = request.pop("id", None)
    name = request.pop("op", "")
    try:
        reply = OPERATIONS[name](**request)
    except BaseException as error:  # told to the grader, who makes it an error of ours
        reply = {"broken": "%s: %s: %s" % (name, type(error).__name__, error)}
    reply["id"] = number
    line = json.dumps(reply) + "\n"
    with _write_lock:
        sys.stdout.write(line)
        sys.stdout.flush()


def main():
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main()
