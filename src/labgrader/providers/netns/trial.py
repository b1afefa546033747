"""Tries, one by one, what a lab's hosts need of the kernel, and says how each went (stdlib only).

    python3 -I -S trial.py CONFIG     CONFIG: {"uid_base": …, "gid_base": …, "ids": 65536, "direct": true}

Prints a JSON object: the name of each step to null, or to the sentence of its failure. The steps build on
each other; what comes after a failed one that it needs is not in the answer.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import kernel as k

SEPARATE = {
    "mount": k.CLONE_NEWNS,
    "network": k.CLONE_NEWNET,
    "pid": k.CLONE_NEWPID,
    "ipc": k.CLONE_NEWIPC,
    "uts": k.CLONE_NEWUTS,
    "cgroup": k.CLONE_NEWCGROUP,
    "nested user": k.CLONE_NEWUSER,
}


def main() -> None:
    config = json.loads(sys.argv[1])
    found: dict[str, str | None] = {}
    from_child, to_parent = os.pipe()
    go, to_child = os.pipe()
    pid = os.fork()
    if pid == 0:
        _in_child(to_parent, go)
    os.close(to_parent)
    with os.fdopen(from_child) as answers:
        found["user"] = json.loads(answers.readline() or '"the process ended"')
        if found["user"] is None:
            found["ids"] = _map_ids(pid, config)
            os.write(to_child, b"1" if found["ids"] is None else b"0")
            for line in answers:
                found.update(json.loads(line))
    os.waitpid(pid, 0)
    print(json.dumps(found))


def _in_child(answers: int, go: int) -> None:
    failure = _failure(lambda: k.unshare(k.CLONE_NEWUSER))
    _say(answers, failure)
    if failure is None and os.read(go, 1) == b"1":
        failure = _failure(_become_root)
        _say(answers, {"ids": failure} if failure else _steps())
    os._exit(0)


def _become_root() -> None:
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _steps() -> dict[str, str | None]:
    found = {name: _apart(functools.partial(k.unshare, flag)) for name, flag in SEPARATE.items()}
    if found["mount"] is None and found["pid"] is None:
        found["proc"] = _apart(functools.partial(_inside, _proc))
        found["overlay"] = _apart(functools.partial(_inside, _overlay))
    return found


def _inside(step: Callable[[], None]) -> None:
    """Do a step as the first process of mount and pid namespaces of its own."""
    k.unshare(k.CLONE_NEWNS | k.CLONE_NEWPID)
    k.mount("none", "/", "", k.MS_REC | k.MS_PRIVATE)
    if failure := _apart(step):
        raise OSError(failure)


def _proc() -> None:
    k.mount("proc", "/proc", "proc", k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC)


def _overlay() -> None:
    k.mount("tmpfs", "/tmp", "tmpfs", k.MS_NODEV, "size=1m")
    for name in ("lower", "upper", "work", "root"):
        os.mkdir(f"/tmp/{name}")
    with open("/tmp/lower/file", "w") as file:
        file.write("lower")
    options = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr"
    k.mount("overlay", "/tmp/root", "overlay", k.MS_NODEV, options)
    # A file of the layer below must be replaceable: that takes the attributes that `userxattr` is about.
    os.unlink("/tmp/root/file")
    os.mkdir("/tmp/root/file")


def _apart(step: Callable[[], None]) -> str | None:
    """Try a step in a process of its own, which leaves nothing behind; its failure's sentence or None."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _say(write, _failure(step))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        said: str | None = json.loads(answer.readline() or '"the process ended"')
    os.waitpid(pid, 0)
    return said


def _failure(step: Callable[[], None]) -> str | None:
    try:
        step()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _map_ids(pid: int, config: dict[str, int]) -> str | None:
    for kind in ("uid", "gid"):
        numbers = [str(number) for number in (0, config[f"{kind}_base"], config["ids"])]
        try:
            if config["direct"]:
                with open(f"/proc/{pid}/{kind}_map", "w") as file:
                    file.write(" ".join(numbers))
                continue
            done = subprocess.run([f"new{kind}map", str(pid), *numbers], capture_output=True, text=True)
        except OSError as error:
            return str(error)
        if done.returncode != 0:
            return done.stderr.strip() or f"new{kind}map exited with {done.returncode}"
    return None


def _say(fd: int, what: object) -> None:
    os.write(fd, (json.dumps(what) + "\n").encode())


if __name__ == "__main__":
    main()
