"""``systemctl`` and ``service`` for the units of a lab host, with systemd's words and exit statuses."""

import os
import sys

import units

_ACTIONS = (
    "start",
    "stop",
    "restart",
    "try-restart",
    "condrestart",
    "reload",
    "reload-or-restart",
    "force-reload",
    "status",
    "is-active",
    "is-failed",
    "is-enabled",
    "enable",
    "disable",
)
_POWER = ("poweroff", "halt", "reboot")
_IGNORED = ("--no-pager", "-q", "--quiet", "-l", "--full", "--now", "--no-block", "--no-ask-password")


def say(text):
    """Write ``text`` and a newline to stderr."""
    sys.stderr.write(text + "\n")


def main(argv):
    """Run as ``service`` or ``systemctl``; return the exit status."""
    if os.path.basename(argv[0]) == "service":
        return service(argv[1:])
    return systemctl(argv[1:])


def service(args):
    """``service NAME ACTION``: redirected, as on RHEL 7."""
    if len(args) != 2 or args[0].startswith("-"):
        say("Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]")
        return 2 if args else 1
    name = units.strip(args[0])
    if args[1] not in _ACTIONS:
        say(
            "The service command supports only basic LSB actions (start, stop, restart, try-restart, reload,"
            " force-reload, status). For other actions, please try to use systemctl."
        )
        return 2
    say("Redirecting to /bin/systemctl %s %s.service" % (args[1], units.printable(name)))
    return systemctl([args[1], name])


def systemctl(args):
    """``systemctl ACTION UNIT...``; return the exit status of systemd's for the same."""
    now = "--now" in args
    quiet = "-q" in args or "--quiet" in args
    words = [a for a in args if a not in _IGNORED]
    if not words or words[0].startswith("-"):
        say("systemctl: give an action and a unit, as in: systemctl restart network")
        return 1
    action, names = words[0], [units.strip(w) for w in words[1:]]
    if action in ("daemon-reload", "daemon-reexec", "reset-failed"):
        return 0
    if action in _POWER and os.path.exists("/usr/sbin/" + action):  # a virtual machine
        os.execv("/usr/sbin/" + action, [action])
    if action not in _ACTIONS:
        say("Unknown operation %s." % units.printable(action))
        return 1
    if not names:
        say("Too few arguments.")
        return 1
    if action in ("is-active", "is-failed"):
        return _query_state(action, names, quiet)
    results = [_act(action, name, now) for name in names]
    return next((r for r in results if r), 0)


def _query_state(action, names, quiet):
    states = [units.state(name) if name in units.KNOWN else "unknown" for name in names]
    if not quiet:
        sys.stdout.write("".join(s + "\n" for s in states))
    wanted = "active" if action == "is-active" else "failed"
    if wanted in states:
        return 0
    if action == "is-failed":
        return 1
    return 4 if "unknown" in states else 3


def _act(action, name, now):
    if name not in units.KNOWN:
        return _unknown(action, name)
    if action == "status":
        return _status(name)
    if action == "is-enabled":
        enabled = units.enabled(name)
        sys.stdout.write("enabled\n" if enabled else "disabled\n")
        return 0 if enabled else 1
    if os.geteuid():
        say("Failed to %s %s.service: Access denied" % (action, name))
        return 4 if action not in ("enable", "disable") else 1
    if action in ("enable", "disable"):
        units.set_enabled(name, action == "enable")
        return units.act({"enable": "start", "disable": "stop"}[action], name) if now else 0
    return units.act(action, name)


def _unknown(action, name):
    shown = units.printable(name)
    if action == "status":
        say("Unit %s.service could not be found." % shown)
        return 4
    if action in ("is-enabled", "enable", "disable"):
        say(
            "Failed to %s: No such file or directory"
            % (
                "get unit file state for %s.service" % shown
                if action == "is-enabled"
                else "%s unit: Unit file %s.service does not exist." % (action, shown)
            )
        )
        return 1
    if action in ("try-restart", "condrestart"):
        return 0
    say(
        "Failed to %s %s.service: Unit %s.service not %s."
        % (action, shown, shown, "loaded" if action in ("stop", "reload") else "found")
    )
    return 5


def _status(name):
    state = units.state(name)
    pid = units.main_pid(name)
    dot = {"active": "*", "failed": "x"}.get(state, "o")
    shown = {
        "active": "active (%s)" % ("exited" if name == "network" else "running"),
        "failed": "failed (Result: exit-code)",
    }.get(state, "inactive (dead)")
    sys.stdout.write(
        "%s %s.service - %s\n   Loaded: loaded (%s.service; %s)\n   Active: %s\n"
        % (dot, name, units.KNOWN[name], name, "enabled" if units.enabled(name) else "disabled", shown)
    )
    if pid:
        sys.stdout.write(" Main PID: %d (%s)\n" % (pid, name))
    for line in units.messages(name):
        sys.stdout.write(line + "\n")
    return 0 if state == "active" else 3
