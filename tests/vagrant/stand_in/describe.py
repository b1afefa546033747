"""What is told of machines: `showvminfo --machinereadable` and `list`, in the words that Vagrant reads."""

from __future__ import annotations

from tests.vagrant.stand_in import snapshots, store
from tests.vagrant.stand_in.store import Machine, Refused

CONTROLLER = {"IntelAhci": "SATA Controller", "PIIX4": "IDE Controller", "VirtioSCSI": "SCSI Controller"}


def machine_readable(machine: Machine) -> str:
    """Everything about a machine, a line each."""
    settings = machine.settings
    controller = CONTROLLER[settings.controller]
    said = [
        f'name="{machine.name}"',
        'groups="/"',
        f'UUID="{machine.uuid}"',
        f'CfgFile="{machine.folder}/machine.json"',
        f"memory={settings.memory}",
        f"cpus={settings.cpus}",
        f'VMState="{machine.state}"',
        f'storagecontrollername0="{controller}"',
        f'storagecontrollertype0="{settings.controller}"',
        'storagecontrollermaxportcount0="30"',
        f'"{controller}-{settings.port}-0"="{machine.disk}"',
        f'"{controller}-ImageUUID-{settings.port}-0"="{_disk_id(machine)}"',
    ]
    for number in range(1, 9):
        nic = settings.nics.get(number)
        if nic is None or nic.kind == "none":
            said.append(f'nic{number}="none"')
            continue
        network = 'nat"' if nic.kind == "nat" else f'{nic.network}"'
        said.append(f'{"natnet" if nic.kind == "nat" else "intnet"}{number}="{network}')
        said.append(f'macaddress{number}="{nic.mac}"')
        said.append(f'cableconnected{number}="on"')
        said.append(f'nic{number}="{nic.kind}"')
        said.append(f'nictype{number}="{nic.model}"')
        rules = [rule for rule in settings.forwards if rule.nic == number]
        said += [f'Forwarding({place})="{rule.rule}"' for place, rule in enumerate(rules)]
    return "\n".join([*said, *snapshots.lines(machine)])


def for_people(machine: Machine) -> str:
    """The little that Vagrant needs of the other form: that the machine is there."""
    return f"Name:   {machine.name}\nUUID:   {machine.uuid}\nState:  {machine.state}"


def listed(what: str) -> str:
    """`list WHAT`."""
    machines = store.machines()
    if what in {"vms", "runningvms"}:
        wanted = [machine for machine in machines if what == "vms" or machine.state == "running"]
        return "\n".join(f'"{machine.name}" {{{machine.uuid}}}' for machine in wanted)
    if what == "systemproperties":
        return f"Default machine folder:          {store.machines_folder()}"
    if what == "intnets":
        nics = [nic for machine in machines for nic in machine.settings.nics.values()]
        names = sorted({nic.network for nic in nics if nic.kind == "intnet"})
        return "\n".join(f"Name:        {name}" for name in names)
    if what == "hdds":
        return "\n".join(
            f"UUID:           {_disk_id(machine)}\nState:          created\nType:           normal (base)\n"
            f"Location:       {machine.disk}\nStorage format: QCOW\n"
            for machine in machines
        )
    if what in {"hostonlyifs", "bridgedifs", "dhcpservers", "natnets", "hostonlynets"}:
        return ""  # there are none: labs use internal networks alone
    raise Refused(f"Unknown subcommand: {what}", status=2)


def _disk_id(machine: Machine) -> str:
    return machine.disk.rpartition("{")[2].partition("}")[0]
