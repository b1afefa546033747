"""PID 1 of the project's own Debian box: mounts, starts the way in, reaps, and switches off when asked.

No service is started at boot but management.py: a lab's machine runs what the lab brings up. Asked to end
by the power button, or by a signal of the commands poweroff, halt, reboot and shutdown (SIGUSR2 or SIGPWR:
off, SIGTERM or SIGINT: again). Python 3.6 syntax, standard library only.
"""

import ctypes
import errno
import fcntl
import glob
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import machine
import mounts

MANAGEMENT = ["/usr/bin/python3", "-IS", "/usr/lib/labgrader/management.py"]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_NOATIME = 1, 2, 4, 8, 32, 1024
MOUNTS = (
    ("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""),
    ("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""),
    ("devtmpfs", "/dev", MS_NOSUID, "mode=755"),
    ("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666,max=128"),
    ("tmpfs", "/run", MS_NOSUID | MS_NODEV, "size=16m,mode=755"),
)
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # netdevice(7)
EV_KEY, KEY_POWER, PRESSED = 1, 116, 1  # input-event-codes.h
EVENT = struct.Struct("llHHi")
OFF, AGAIN = 0x4321FEDC, 0x01234567  # reboot(2)
ASKS = {
    signal.SIGUSR1: OFF,
    signal.SIGUSR2: OFF,
    signal.SIGPWR: OFF,
    signal.SIGTERM: AGAIN,
    signal.SIGINT: AGAIN,
}
END_S, KILL_S = 2.0, 1.0
AGAIN_S = 0.5  # between two starts of the way in
_libc = ctypes.CDLL(None, use_errno=True)


def set_up():
    """From the kernel's hands to a machine that programs can run on."""
    os.umask(0o022)
    os.chdir("/")
    mounts.mount("none", "/", "", MS_REMOUNT | MS_NOATIME)
    for kind, place, flags, options in MOUNTS:
        os.makedirs(place, exist_ok=True)  # /dev/pts, on a file system that was mounted just now
        try:
            mounts.mount(kind, place, kind, flags, options)
        except OSError as error:
            if error.errno != errno.EBUSY:  # another system's initrd has mounted it
                raise
    links = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")]
    for name, target in [*((n, "/proc/self/fd" + t) for n, t in links), ("ptmx", "pts/ptmx")]:
        if os.path.lexists("/dev/" + name):  # such as the ptmx of the first instance of devpts
            os.unlink("/dev/" + name)
        os.symlink(target, "/dev/" + name)
    os.makedirs("/dev/shm", exist_ok=True)
    os.chmod("/dev/shm", 0o1777)
    _load_drivers()
    machine.no_ipv6()
    machine.write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
    machine.write("/proc/sys/kernel/printk", "1")
    raise_loopback()
    with open("/etc/hostname") as file:
        socket.sethostname(file.read().strip())
    for path in ("/run/lock", "/run/labgrader/units", "/run/named", "/run/sshd"):
        os.makedirs(path, 0o755, exist_ok=True)
    os.chmod("/run/lock", 0o1777)


def _load_drivers():
    """Load the drivers of what is plugged in, where there is a modprobe; our box's initrd has done it."""
    if not os.path.exists("/sbin/modprobe"):
        return
    wanted = set()
    for path in glob.glob("/sys/bus/*/devices/*/modalias"):
        with open(path) as file:
            wanted.add(file.read().strip())
    subprocess.call(["/sbin/modprobe", "-qab", *sorted(wanted), "evdev", "button", "tcp_diag", "udp_diag"])


def raise_loopback():
    """Bring lo up, as every system's first process does."""
    request = struct.pack("16sh22x", b"lo", IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, request)


def start_management():
    """Start the way in; its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            for number in [*ASKS, signal.SIGCHLD]:
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            os.closerange(3, 256)
            os.execve(MANAGEMENT[0], MANAGEMENT, ENVIRONMENT)
        finally:
            os._exit(1)
    return pid


def serve():
    """Reap, watch the power button and the way in, until the machine is asked to end; how it shall."""
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    for number in [*ASKS, signal.SIGCHLD]:
        signal.signal(number, lambda *_: None)
    buttons = [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in glob.glob("/dev/input/event*")]
    way_in, started = start_management(), time.monotonic()
    while True:
        wait = None if way_in else max(0.0, started + AGAIN_S - time.monotonic())
        ready = select.select([wake, *buttons], [], [], wait)[0]
        for fd in ready:
            if fd == wake:
                asked = [ASKS[signal.Signals(value)] for value in os.read(wake, 4096) if value in ASKS]
                if asked:
                    return asked[0]
            elif _pressed(fd, buttons):
                return OFF
        if way_in in _reap():
            way_in = None
        if way_in is None and time.monotonic() >= started + AGAIN_S:
            way_in, started = start_management(), time.monotonic()


def _pressed(fd, buttons):
    try:
        data = os.read(fd, EVENT.size * 64)
    except BlockingIOError:
        return False
    except OSError:
        buttons.remove(fd)
        return False
    whole = data[: len(data) // EVENT.size * EVENT.size]
    return any(event[2:] == (EV_KEY, KEY_POWER, PRESSED) for event in EVENT.iter_unpack(whole))


def _reap():
    """The pids of the processes that have ended."""
    ended = set()
    try:
        while True:
            pid = os.waitpid(-1, os.WNOHANG)[0]
            if pid == 0:
                return ended
            ended.add(pid)
    except ChildProcessError:
        return ended


def end(how):
    """End every process, keep what is on the disk, and switch off or start again. Never returns."""
    for last, patience in ((signal.SIGTERM, END_S), (signal.SIGKILL, KILL_S)):
        try:
            os.kill(-1, last)
            os.kill(-1, signal.SIGCONT)
        except ProcessLookupError:
            break
        if _all_ended(time.monotonic() + patience):
            break
    os.sync()
    try:
        mounts.mount("none", "/", "", MS_REMOUNT | MS_RDONLY)
    except OSError:
        pass  # somebody still writes; all was written to the disk just now
    _libc.reboot(how)


def _all_ended(deadline):
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.02)
        except ChildProcessError:
            return True
    return False


def main():
    """Be PID 1."""
    if os.getpid() != 1:
        sys.stderr.write("vm_init.py is a machine's first process, and nothing else.\n")
        return 1
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    set_up()
    try:
        machine.set_up()
    except (OSError, ValueError, KeyError) as error:  # the grader must come in to see what is wrong
        sys.stderr.write("vm_init: %s\n" % error)
    end(serve())
    return 1


if __name__ == "__main__":
    sys.exit(main())
