"""PID 1 of a namespace host: reaps, and hands each management connection to an sshd of its own.

File descriptor 3 is a listening Unix socket that the grader made, 4 the pipe on which the lab waits
to hear "r". Management needs no address of the lab's networks, so a student who breaks eth1 does not
cut off the grader. Python 3.6 syntax, standard library only.
"""

import fcntl
import os
import resource
import signal
import socket
import struct
import sys

SSHD = ["/usr/sbin/sshd", "-i", "-e", "-f", "/run/labgrader/sshd_config"]
MAX_CONNECTIONS = 64
MAX_PROCESSES = 1024
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # netdevice(7)
SSHD_CONFIG = """\
HostKey /run/labgrader/host_key
AuthorizedKeysFile /run/labgrader/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
PasswordAuthentication no
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
"""


def prepare():
    """Make what sshd and the host's commands need under /run, and bring up nothing else."""
    os.umask(0o022)
    # Bounds what a daemon starts for whoever wrote its configuration; our own needs are far below.
    resource.setrlimit(resource.RLIMIT_NPROC, (MAX_PROCESSES, MAX_PROCESSES))
    for path, mode in (("/run/labgrader", 0o755), ("/run/sshd", 0o755), ("/run/labgrader/units", 0o755)):
        os.makedirs(path, mode, exist_ok=True)
    with open("/run/labgrader/sshd_config", "w") as file:
        file.write(SSHD_CONFIG)
    for name in ("all", "default"):
        try:
            with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name, "w") as file:
                file.write("1")
        except OSError:
            pass  # a kernel without IPv6 has nothing to disable
    raise_loopback()


def raise_loopback():
    """Bring lo up, as every system's first process does, whatever becomes of the network service."""
    request = struct.pack("16sh14x", b"lo", IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, request)


def read_keys(listener):
    """Take this host's private key and the lab's public key from the grader's first connection.

    The first connection carries two texts, each after its length in ASCII and a newline; it is the
    grader's, because nothing else has run in this host yet.
    """
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        for name in ("host_key", "authorized_keys"):
            length = int(stream.readline())
            text = stream.read(length)
            handle = os.open("/run/labgrader/" + name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            os.write(handle, text)
            os.close(handle)
        connection.sendall(b"ok\n")


def serve(listener):
    """Accept for ever; one sshd a connection, its standard input and output being the connection."""
    children = set()

    def reap(*_):
        try:
            while True:
                pid, _status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                children.discard(pid)
        except ChildProcessError:
            return

    signal.signal(signal.SIGCHLD, reap)
    log = os.open("/var/log/sshd.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            continue
        if len(children) >= MAX_CONNECTIONS:
            connection.close()
            continue
        # Held back until the child is written down: it may end before fork returns here.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
                os.setsid()
                os.dup2(connection.fileno(), 0)
                os.dup2(connection.fileno(), 1)
                os.dup2(log, 2)
                os.closerange(3, 256)
                os.execv(SSHD[0], SSHD)
            finally:
                os._exit(1)
        if pid > 0:
            children.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        connection.close()


def main():
    listener = socket.socket(fileno=3)
    prepare()
    os.write(4, b"r")
    os.close(4)
    read_keys(listener)
    serve(listener)


if __name__ == "__main__":
    sys.exit(main())
