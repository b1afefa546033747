"""The `netns` provider: each host is a set of Linux namespaces over an image of Debian packages.

Works as root and as an ordinary user. A lab is owned by one supervisor process (supervisor.py); it ends
when the supervisor's standard input closes, which happens when the grader ends, in whichever way.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from labgrader.errors import LabError
from labgrader.model.limits import Limits
from labgrader.model.topology import Machine, Topology
from labgrader.providers.groundwork import Groundwork
from labgrader.providers.netns import cgroups, image, runtime
from labgrader.providers.netns.ids import COUNT, id_range
from labgrader.remote.access import Access, Lease

READY_S = 30.0
DESTROY_S = 8.0
SYSTEM_MB = 128
# What holds each of a lab's limits where there are no cgroups (guest/lib/confine.py, agent_program.py).
HELD = {
    "processes": "RLIMIT_NPROC",
    "memory_mb": "RLIMIT_AS and the agent's watch",
    "cpu_s": "RLIMIT_CPU",
    "cpus": "nothing",
    "disk_mb": "tmpfs size",
    "output_kb": "the agent",
    "open_files": "RLIMIT_NOFILE",
    "wall_s": "the grader",
    "check_s": "the grader",
}
SUPERVISOR = Path(__file__).with_name("supervisor.py")


class NamespaceProvider:
    """Makes labs out of namespaces on this machine."""

    name = "netns"

    def __init__(self) -> None:
        self._layers: list[Path] | None = None

    def prepare(self) -> None:
        self._layers = image.ensure()

    def start(self, topology: Topology, limits: Limits, groundwork: Groundwork | None = None) -> NamespaceLab:
        # No groundwork here: every lab has fresh hosts.
        if self._layers is None:
            self.prepare()
        assert self._layers is not None
        return NamespaceLab(topology, limits, self._layers)

    def clean(self) -> list[str]:
        return runtime.clean()


class NamespaceLab:
    """One lab: coming up from the moment it is made, up after `ready`, gone after `destroy`."""

    def __init__(self, topology: Topology, limits: Limits, layers: list[Path]) -> None:
        ip = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin:" + os.environ.get("PATH", ""))
        if ip is None:
            raise LabError("The command ip is not on this machine; install it: apt-get install iproute2")
        self.lab_id = secrets.token_hex(4)
        self._topology = topology
        self._folder = runtime.root() / self.lab_id
        self._lock: int | None = None
        self._sockets: dict[str, socket.socket] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._cgroups = cgroups.Cgroups()
        try:
            self._lock = runtime.claim(self._folder)
            self._cgroups = cgroups.make(self.lab_id, [machine.name for machine in topology.machines], limits)
            self._launch(topology, limits, layers, ip)
        except OSError as error:
            self.destroy()
            raise LabError(f"The lab could not be started: {error}.") from error
        except BaseException:
            self.destroy()
            raise

    def _launch(self, topology: Topology, limits: Limits, layers: list[Path], ip: str) -> None:
        for machine in topology.machines:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self._socket_path(machine.name))
            listener.listen(64)
            self._sockets[machine.name] = listener
        ids = id_range()
        config = {
            "layers": [str(layer) for layer in layers],
            "networks": list(topology.networks),
            "hosts": [self._host(machine, limits) for machine in topology.machines],
            "cgroups": [item for made in self._cgroups.directories.values() for item in made],
            "runtime_dir": str(self._folder),
            "uid_base": ids.uid_base,
            "gid_base": ids.gid_base,
            "direct": ids.direct,
            "ids": COUNT,
            "ip": ip,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR), self.lab_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[listener.fileno() for listener in self._sockets.values()],
            start_new_session=True,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(config).encode() + b"\n")
        self._process.stdin.flush()

    def _host(self, machine: Machine, limits: Limits) -> dict[str, object]:
        return {
            "name": machine.name,
            "hostname": machine.hostname,
            "socket_fd": self._sockets[machine.name].fileno(),
            "interfaces": [{"name": n.name, "network": n.network, "mac": n.mac} for n in machine.nics],
            "system_mb": SYSTEM_MB,
            "disk_mb": limits.disk_mb,
            "cgroups": list(self._cgroups.directories[machine.name]),
        }

    def _socket_path(self, host: str) -> str:
        return str(self._folder / f"{host}.sock")

    def ready(self) -> Lease:
        """Wait for the hosts, then give each its host key and the lab's public key."""
        # Imported here: making keys takes longer to load than the hosts take to be made.
        from labgrader.remote.keys import new_key

        client = new_key()
        host_keys = {machine.name: new_key() for machine in self._topology.machines}
        self._await_ok()
        hosts = {}
        for name, key in host_keys.items():
            self._sockets.pop(name).close()
            self._hand_over(name, key.private, client.public)
            hosts[name] = Access(
                name, "root", key.public, client.private, socket_path=self._socket_path(name)
            )
        held = dict(HELD)
        for limit, by in self._cgroups.held.items():
            held[limit] = by if limit == "cpus" else f"{by}, {HELD[limit]}"
        return Lease(self.lab_id, "netns", hosts, held)

    def _await_ok(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], READY_S)[0]:
            raise LabError(f"The lab's hosts did not come up within {READY_S:.0f} s.")
        said = self._process.stdout.readline().decode("utf-8", "replace").strip()
        if said != "ok":
            raise LabError(
                f"The lab's hosts could not be made: {said.lstrip('!') or 'the supervisor ended'}."
            )

    def _hand_over(self, host: str, private: str, authorized: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(READY_S)
                link.connect(self._socket_path(host))
                for text in (private.encode(), authorized.encode()):
                    link.sendall(str(len(text)).encode() + b"\n" + text)
                if link.recv(16) != b"ok\n":
                    raise LabError(f"{host}: its init did not take the keys.")
        except OSError as error:
            raise LabError(f"{host}: its init could not be reached: {error}.") from error

    def destroy(self) -> None:
        for listener in self._sockets.values():
            listener.close()
        self._sockets.clear()
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            try:
                process.stdin.close()
            except OSError:
                pass
            try:
                process.wait(DESTROY_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        lock, self._lock = self._lock, None
        runtime.release(self._folder, lock)
