"""The grader's way into a virtual machine, apart from the lab: an interface in a namespace of its own.

The machine's management interface is moved into a namespace that only this program's sockets hold: no
process lives there and no path leads there. Each connection that is accepted there is handed to an
sshd in the machine's ordinary namespace, so that what the grader sees and what a student breaks is the
lab's network alone. Python 3.6 syntax, standard library only.
"""

import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import machine
import management_dhcp

PLACE = "/etc/labgrader"
CONFIG = "/run/labgrader/sshd_config"
SSHD = ["/usr/sbin/sshd", "-i", "-e", "-f", CONFIG]
PORT = 22
MAX_CONNECTIONS = 64
MAX_PROCESSES = 1024
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x891C, 0x8914, 1  # netdevice(7)
SSHD_CONFIG = """\
HostKey /etc/labgrader/host_key
AuthenticationMethods publickey
PermitRootLogin prohibit-password
PasswordAuthentication no
AllowUsers root vagrant
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
StrictModes no
PidFile none
AcceptEnv no-such-variable
MaxSessions 200
LogLevel ERROR
Subsystem sftp internal-sftp
Match User root
    AuthorizedKeysFile /etc/labgrader/authorized_keys
"""
_libc = ctypes.CDLL(None, use_errno=True)


def prepare():
    """Make the files that sshd needs; a machine that was given no host key makes one of its own."""
    os.umask(0o022)
    for path, mode in (
        (PLACE, 0o700),
        ("/run/labgrader", 0o755),
        ("/run/sshd", 0o755),
        ("/run/labgrader/units", 0o755),
    ):
        os.makedirs(path, mode, exist_ok=True)
    with open(CONFIG, "w") as file:
        file.write(SSHD_CONFIG)
    if not os.path.exists(PLACE + "/host_key"):
        subprocess.check_call(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", PLACE + "/host_key"],
            stdin=subprocess.DEVNULL,
        )


def make_namespace():
    """Make a network namespace, and stay outside; (its descriptor, a listening TCP socket, a UDP socket)."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    _check(_libc.unshare(CLONE_NEWNET))
    try:
        inside = os.open("/proc/self/ns/net", os.O_RDONLY)
        machine.no_ipv6()
        for name in ("all", "default"):  # an answer may come before this end has an address
            machine.write("/proc/sys/net/ipv4/conf/%s/rp_filter" % name, "0")
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    finally:
        _check(_libc.setns(home, CLONE_NEWNET))
        os.close(home)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", PORT))
    listener.listen(16)
    listener.setblocking(False)
    return inside, listener, udp


def _check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def find():
    """(name, mac) of the management interface: the first that is none of the lab's; None if there is none."""
    lab = machine.lab_macs(machine.settings())
    return next(((name, mac) for name, mac in machine.interfaces() if mac not in lab), None)


def move(name, inside, udp):
    """Take the interface out of the ordinary namespace and bring it up, without an address."""
    machine.ip(["link set dev %s netns /proc/self/fd/%d" % (name, inside)], pass_fds=[inside])
    fcntl.ioctl(udp, SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), IFF_UP))
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0")
    udp.bind(("0.0.0.0", 68))
    udp.setblocking(False)


def configure(name, lease, control):
    """Give the interface its address; the route to its own network comes with it, and there is no other."""
    for request, text in ((SIOCSIFADDR, lease["address"]), (SIOCSIFNETMASK, lease["mask"])):
        value = struct.pack("16sHH4s16x", name.encode(), socket.AF_INET, 0, socket.inet_aton(text))
        fcntl.ioctl(control, request, value)


def hand_over(connection, log):
    """Start an sshd whose standard input and output are the connection; its pid, or None."""
    try:
        connection.setblocking(True)
        # The other end of a connection may have gone without a word: a restored snapshot, a killed grader.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 4)):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pid = os.fork()
    except OSError:
        return None
    if pid:
        return pid
    try:
        # See end_sessions. An sshd forks, so this alone does not do it, but it does so at once.
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        machine.write("/proc/self/oom_score_adj", "0")
        resource.setrlimit(resource.RLIMIT_NPROC, (MAX_PROCESSES, MAX_PROCESSES))
        os.setsid()
        os.dup2(connection.fileno(), 0)
        os.dup2(connection.fileno(), 1)
        os.dup2(log, 2)
        os.closerange(3, 256)
        os.execv(SSHD[0], SSHD)
    finally:
        os._exit(1)


def serve(listener, client, name, udp):
    """Accept for ever, and keep the interface's address meanwhile."""
    children = set()
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    log = os.open("/var/log/sshd.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    while True:
        now = time.monotonic()
        if now >= client.due:
            client.ask(now)
        ready = select.select([listener, udp, wake], [], [], max(0.0, client.due - time.monotonic()))[0]
        if wake in ready:
            os.read(wake, 4096)
            _reap(children)
        if udp in ready:
            _listen(client, name, udp)
        if listener in ready:
            try:
                connection = listener.accept()[0]
            except OSError:
                continue  # whoever called has gone
            with connection:
                pid = hand_over(connection, log) if len(children) < MAX_CONNECTIONS else None
            children |= {pid} - {None}


def _reap(children):
    try:
        while True:
            pid = os.waitpid(-1, os.WNOHANG)[0]
            if pid == 0:
                return
            children.discard(pid)
    except ChildProcessError:
        return


def _listen(client, name, udp):
    try:
        lease = client.take(udp.recv(2048), time.monotonic())
    except OSError:
        return
    if lease is not None:
        configure(name, lease, udp)
        sys.stderr.write("management: %s has %s\n" % (name, lease["address"]))
        sys.stderr.flush()


def end_sessions():
    """End what an earlier run left: a connection holds its namespace, and with it the interface."""
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink("/proc/%s/exe" % entry) == SSHD[0]:
                os.kill(int(entry), signal.SIGKILL)
        except OSError:
            pass  # it has ended, or is a thread of the kernel's


def main():
    """Wait for the management interface, take it, and serve."""
    machine.write("/proc/self/oom_score_adj", "-900")
    end_sessions()
    inside, listener, udp = make_namespace()
    found = find()
    while found is None:  # its driver is still at work, or it comes back from the namespace of a killed one
        time.sleep(0.02)
        found = find()
    name, mac = found
    move(name, inside, udp)
    os.close(inside)
    client = management_dhcp.Client(udp, mac)
    client.ask(time.monotonic())
    prepare()
    serve(listener, client, name, udp)


if __name__ == "__main__":
    sys.exit(main())
