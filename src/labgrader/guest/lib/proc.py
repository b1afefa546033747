"""Runs and ends programs, with deadlines; a small stand-in for subprocess, whose import alone costs 8 ms."""

import _signal as signal  # what signal is made of, without its enumerations: 4 ms of each start
import os
import select
import time

STEP = 0.004  # seconds between two looks at a condition


def run(argv, data=b"", timeout=10.0, env=None, before=None):
    """Run ``argv`` to its end and return ``(status, stdout, stderr)``, the outputs as bytes.

    data: what it reads; timeout: seconds, after which it is killed and the status is 124. The status of
    a program ended by signal N is 128+N; 127 means that it could not be started. A daemon that the
    program leaves behind may keep the outputs open: reading ends with the program itself. before: called
    without arguments in the new process just before the program takes its place.
    """
    stdin, stdout, stderr = os.pipe(), os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(argv, stdin[0], stdout[1], stderr[1], env, before)
    for end in (stdin[0], stdout[1], stderr[1]):
        os.close(end)
    return _talk(pid, data, {stdout[0]: [], stderr[0]: []}, stdin[1], time.monotonic() + timeout)


def _become(argv, stdin, stdout, stderr, env, before):
    try:
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if before is not None:
            before()
        os.execvpe(argv[0], argv, dict(os.environ, LC_ALL="C") if env is None else env)
    except OSError as error:
        os.write(2, ("%s: %s\n" % (argv[0], error.strerror)).encode())
    finally:
        os._exit(127)


def _talk(pid, data, outputs, sink, deadline):
    order = list(outputs)
    poller = select.poll()
    for end in order:
        os.set_blocking(end, False)
        poller.register(end, select.POLLIN)
    os.set_blocking(sink, False)
    poller.register(sink, select.POLLOUT)
    sources = set(order)
    status = None
    while True:
        for end, _ in poller.poll(1 if sources else STEP * 250):
            if end == sink:
                data = _feed(sink, data)
                if not data:
                    poller.unregister(sink)
                    os.close(sink)
                    sink = None
            elif not _drain(end, outputs[end]):
                poller.unregister(end)
                sources.discard(end)
        if status is not None:
            break
        done, raw = os.waitpid(pid, os.WNOHANG)
        if done:
            status = _status(raw)
        elif time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            status = 124
    for end in sources:
        _drain(end, outputs[end])
    for end in order + ([sink] if sink is not None else []):
        os.close(end)
    return status, b"".join(outputs[order[0]]), b"".join(outputs[order[1]])


def _feed(sink, data):
    try:
        return data[os.write(sink, data) :] if data else data
    except BlockingIOError:
        return data
    except OSError:
        return b""


def _drain(end, parts):
    """Read what is there; False at the end of the stream."""
    while True:
        try:
            part = os.read(end, 65536)
        except BlockingIOError:
            return True
        if not part:
            return False
        if sum(len(p) for p in parts) < (1 << 20):
            parts.append(part)


def _status(raw):
    return 128 + os.WTERMSIG(raw) if os.WIFSIGNALED(raw) else os.WEXITSTATUS(raw)


def comm(pid):
    """Return the kernel's name of process ``pid``, or None where there is none (a zombie counts as none)."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return None
    name, _, rest = text[text.index("(") + 1 :].rpartition(")")
    return None if rest.split()[0] in "ZX" else name


def pid_of(pidfile, name):
    """Return the pid that ``pidfile`` holds if that process lives and is called ``name``, else None."""
    try:
        fd = os.open(pidfile, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        text = os.read(fd, 32).strip()
    except OSError:
        return None
    finally:
        os.close(fd)
    if not text.isdigit() or int(text) < 2:
        return None
    return int(text) if comm(int(text)) == name else None


def wait_for(condition, timeout):
    """Call ``condition`` until it returns something true; return that, or None after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            return None
        time.sleep(STEP)


def end(pid, name, grace=5.0):
    """End process ``pid`` called ``name``: TERM, and KILL after ``grace`` seconds. True when it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except OSError:
            return True
        if wait_for(lambda: comm(pid) != name, grace):
            return True
    return False
