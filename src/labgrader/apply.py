"""Configure a lab over SSH: push files that differ, restart their services, wait until they are ready."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from labgrader.checking.probes import ServiceState
from labgrader.errors import LabError, SpecError
from labgrader.model.render import RenderedFile
from labgrader.model.spec import Host as HostSpec
from labgrader.model.spec import Lab
from labgrader.printable import printable
from labgrader.remote.access import Lease
from labgrader.remote.hands import Hands
from labgrader.remote.transport import Connection

SERVICE_S = 40.0


@dataclass(frozen=True)
class Applied:
    """One configured host: its connections, and what came of its services."""

    connection: Connection
    hands: Hands
    services: Mapping[str, ServiceState]


def apply(lab: Lab, lease: Lease, files: Iterable[RenderedFile]) -> dict[str, Applied]:
    """Bring every host of `lease` to what `files` say, all hosts at once.

    A service that fails over a file that the student handed in is the student's matter and is recorded;
    any other failure raises LabError.
    """
    by_host: dict[str, list[RenderedFile]] = {name: [] for name in lab.hosts}
    for file in files:
        by_host[file.host].append(file)
    with ThreadPoolExecutor(max_workers=len(by_host)) as pool:
        futures = {
            name: pool.submit(_apply_host, lab.hosts[name], lease, name, by_host[name]) for name in by_host
        }
        return {name: future.result() for name, future in futures.items()}


def _apply_host(spec: HostSpec, lease: Lease, name: str, files: list[RenderedFile]) -> Applied:
    connection = Connection(lease.hosts[name])
    hands = Hands(connection)
    accounts: dict[str, tuple[int, int]] = {"root": (0, 0)}
    for owner in {file.owner for file in files} - set(accounts):
        answer = hands.ask("account", name=owner)
        if "failed" in answer:
            raise SpecError(f"lab.yaml: there is no account {owner} on {name}, which is to own a file there.")
        accounts[owner] = (answer["uid"], answer["gid"])
    changed: set[str] = set()
    for file in files:
        uid, gid = accounts[file.owner]
        if connection.put(file.path, file.content, mode=file.mode, uid=uid, gid=gid) and file.service:
            changed.add(file.service)
        if file.owner != "root":
            hands.ask("keep", path=file.path)
    services = {}
    for service in spec.services:
        submitted = tuple(f.submitted for f in files if f.service == service and f.submitted)
        services[service] = _bring_up(hands, name, spec, service, submitted, restart=service in changed)
    if spec.forward:
        # Last: RHEL's own service `network` switches it off when it is restarted.
        _run(hands, name, ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    return Applied(connection, hands, services)


def _bring_up(
    hands: Hands, host: str, spec: HostSpec, service: str, submitted: tuple[str, ...], *, restart: bool
) -> ServiceState:
    """(Re)start one service if it must be, and wait for what lab.yaml says makes it ready."""
    if not restart and _exit(hands, ["systemctl", "is-active", "--quiet", service]) == 0:
        return ServiceState(service, True, "", submitted)
    answer = hands.ask("run", patience_s=SERVICE_S, argv=["systemctl", "restart", service], timeout=SERVICE_S)
    if "failed" in answer:
        raise LabError(f"{host}: systemctl restart {service} did not end within {SERVICE_S:.0f} s.")
    said = (answer["stderr"] or answer["stdout"]).encode("latin-1").decode("utf-8", "replace").strip()
    if answer["exit"] != 0:
        if submitted:
            return ServiceState(service, False, said, submitted)
        raise LabError(f"{host}: {service} did not start: {printable(said, 400)}")
    _await_ready(hands, host, spec, service, submitted)
    return ServiceState(service, True, said, submitted)


def _await_ready(hands: Hands, host: str, spec: HostSpec, service: str, submitted: tuple[str, ...]) -> None:
    port = spec.services[service].listens
    if port is None:
        return
    deadline = time.monotonic() + spec.services[service].deadline_s
    while time.monotonic() < deadline:
        sockets = hands.ask("sockets")["sockets"]
        if any(s["port"] == port and s["state"] == 10 and s["proto"].startswith("tcp") for s in sockets):
            return
        time.sleep(0.005)
    if not submitted:
        raise LabError(f"{host}: {service} did not come to listen on TCP port {port}.")


def _run(hands: Hands, host: str, argv: list[str]) -> None:
    answer = hands.ask("run", patience_s=SERVICE_S, argv=argv, timeout=SERVICE_S)
    if answer.get("exit") != 0:
        raise LabError(
            f"{host}: {' '.join(argv)} failed: {printable(answer.get('stderr', 'time ran out'), 300)}"
        )


def _exit(hands: Hands, argv: list[str]) -> int:
    answer = hands.ask("run", patience_s=SERVICE_S, argv=argv, timeout=SERVICE_S)
    return int(answer.get("exit", 1))
