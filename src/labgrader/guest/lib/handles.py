"""What the agent keeps between requests (connections, captures, programs), by number."""

import threading

_lock = threading.Lock()
_kept = {}
_next = [1]


def keep(thing):
    """Keep `thing` and return its number."""
    with _lock:
        number = _next[0]
        _next[0] += 1
        _kept[number] = thing
    return number


def get(number):
    """The thing kept as `number`; KeyError if there is none."""
    return _kept[number]


def drop(number):
    """Forget the thing kept as `number` and return it; None if there is none."""
    with _lock:
        return _kept.pop(number, None)
