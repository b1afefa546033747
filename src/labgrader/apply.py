"""Configure a lab over SSH: push files that differ, restart their services, wait until they are ready."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from labgrader.checking.probes import ServiceState
from labgrader.errors import LabError, SpecError
from labgrader.model.render import RenderedFile
from labgrader.model.spec import Host as HostSpec
from labgrader.model.spec import Lab
from labgrader.printable import printable
from labgrader.remote.access import Access, Lease
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


def lay(
    lab: Lab,
    hosts: Mapping[str, Access],
    services: Mapping[str, Collection[str]],
    files: Iterable[RenderedFile],
) -> None:
    """Do a part of `apply` beforehand: those services, with those files, and nothing left open.

    services: for each host of which something is to be done, its services; none with a submitted file.
    Raises LabError and SpecError as `apply` does.
    """
    by_host: dict[str, list[RenderedFile]] = {name: [] for name in services}
    for file in files:
        by_host[file.host].append(file)

    def lay_host(name: str) -> None:
        with Connection(hosts[name]) as connection:
            hands = Hands(connection)
            _configure(lab.hosts[name], hands, connection, by_host[name], services[name])
            hands.leave()

    with ThreadPoolExecutor(max_workers=len(by_host)) as pool:
        for _ in pool.map(lay_host, by_host):
            pass


def _apply_host(spec: HostSpec, lease: Lease, name: str, files: list[RenderedFile]) -> Applied:
    connection = Connection(lease.hosts[name])
    hands = Hands(connection)
    return Applied(connection, hands, _configure(spec, hands, connection, files, spec.services))


def _configure(
    spec: HostSpec,
    hands: Hands,
    connection: Connection,
    files: list[RenderedFile],
    wanted: Collection[str],
) -> dict[str, ServiceState]:
    """Put the files on one host and bring up the services of those names, in the order of lab.yaml."""
    name = connection.host
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
    names = [service for service in spec.services if service in wanted]
    running = _running(hands, [service for service in names if service not in changed])
    services = {}
    for service in names:
        submitted = tuple(f.submitted for f in files if f.service == service and f.submitted)
        if service in running:
            services[service] = ServiceState(service, True, "", submitted)
        else:
            services[service] = _start(hands, name, spec, service, submitted)
    if spec.forward:
        # Last: RHEL's own service `network` switches it off when it is restarted.
        _run(hands, name, ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    return services


def _running(hands: Hands, services: list[str]) -> set[str]:
    """Those of the services that are active; asked at once, for a process is dear on an emulated machine."""
    if not services:
        return set()
    # A line for each, whatever the exit status (systemctl(1)).
    answer = hands.ask(
        "run", patience_s=SERVICE_S, argv=["systemctl", "is-active", *services], timeout=SERVICE_S
    )
    states = answer.get("stdout", "").split()
    return {service for service, state in zip(services, states, strict=False) if state == "active"}


def _start(hands: Hands, host: str, spec: HostSpec, service: str, submitted: tuple[str, ...]) -> ServiceState:
    """(Re)start one service, and wait for what lab.yaml says makes it ready."""
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
