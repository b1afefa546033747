"""The small texts of a box: what the guest contract does not bring, and what Vagrant reads by the disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

SHUTDOWN = Path(__file__).resolve().parents[2] / "guest" / "vm" / "shutdown.sh"
NAME = "labgrader-debian"
MEMORY_MB = 256
VAGRANT_ID = 900
# Vagrant's well-known insecure public key: every Vagrant has its private half, which is no secret.
INSECURE_KEY = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHz"
    "D8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8Hfd"
    "OV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbU"
    "vxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ== vag"
    "rant insecure public key\n"
)
SUDOERS = """\
Defaults:vagrant !fqdn,!pam_session,!pam_setcred,!syslog
vagrant ALL=(ALL) NOPASSWD: ALL
"""
# Run once inside the box's root file system, after the files below have been laid over it.
SETTLE = f"""\
set -e
useradd --uid {VAGRANT_ID} --user-group --home-dir /home/vagrant --no-create-home \\
  --shell /bin/bash --password '*' vagrant 2> /dev/null
chown -R vagrant: /home/vagrant
ln -sf shutdown /usr/sbin/poweroff
ln -sf shutdown /usr/sbin/halt
ln -sf shutdown /usr/sbin/reboot
: > /etc/machine-id
"""


@dataclass(frozen=True)
class File:
    """One file of the root file system: its path, content and permissions; it belongs to root."""

    path: str
    content: str
    mode: int = 0o644


def files(guest_digest: str) -> list[File]:
    """What a box has beyond the namespace hosts' image."""
    return [
        File("usr/sbin/shutdown", SHUTDOWN.read_text(encoding="utf-8"), 0o755),
        File("etc/sudoers.d/vagrant", SUDOERS, 0o440),
        File("etc/hostname", "box\n"),
        File("etc/fstab", "# The first process mounts what a lab's machine needs.\n"),
        File("etc/labgrader/box", f"{NAME}\n", 0o644),
        File("etc/labgrader/guest-digest", f"{guest_digest}\n", 0o644),
        File("home/vagrant/.ssh/authorized_keys", INSECURE_KEY, 0o600),
    ]


def vagrantfile(provider: str) -> str:
    """The Vagrantfile inside the box: what is true of this box whoever uses it."""
    blocks = {
        "libvirt": (
            "  config.vm.provider :libvirt do |libvirt|\n"
            '    libvirt.disk_bus = "virtio"\n'
            '    libvirt.nic_model_type = "virtio"\n'
            f"    libvirt.memory = {MEMORY_MB}\n"
            "    libvirt.cpus = 1\n"
            "  end\n"
        ),
        "virtualbox": '  config.vm.base_mac = "080027ABCDEF"\n',
    }
    return (
        'Vagrant.configure("2") do |config|\n'
        "  config.vm.guest = :linux\n"
        "  config.ssh.insert_key = false\n"
        '  config.vm.synced_folder ".", "/vagrant", disabled: true\n'
        "  config.vm.allow_fstab_modification = false\n"
        "  config.vm.allow_hosts_modification = false\n"
        f"{blocks[provider]}"
        "end\n"
    )


def metadata(provider: str, disk_bytes: int) -> str:
    """The box's metadata.json."""
    kept: dict[str, object] = {"provider": provider}
    if provider == "libvirt":
        kept |= {"format": "qcow2", "virtual_size": -(-disk_bytes // (1 << 30))}
    return json.dumps(kept) + "\n"


def ovf(disk_name: str, disk_bytes: int, file_bytes: int) -> str:
    """The box as an OVF 1.0 virtual system (DSP0243): one processor, a SATA disk, a network card for NAT."""
    return OVF.format(
        name=NAME,
        disk=disk_name,
        capacity=disk_bytes,
        size=file_bytes,
        memory=MEMORY_MB,
        items="".join(_items()),
    )


def _items() -> list[str]:
    # ResourceType, CIM schema: 3 processor, 4 memory, 20 other storage controller, 17 disk, 10 network card.
    rows = (
        ("1 virtual CPU", 1, 3, {"VirtualQuantity": "1"}),
        (
            f"{MEMORY_MB} MB of memory",
            2,
            4,
            {"AllocationUnits": "MegaBytes", "VirtualQuantity": str(MEMORY_MB)},
        ),
        ("sataController0", 3, 20, {"Address": "0", "ResourceSubType": "AHCI"}),
        ("disk1", 4, 17, {"AddressOnParent": "0", "HostResource": "/disk/vmdisk1", "Parent": "3"}),
        (
            "Ethernet adapter on 'NAT'",
            5,
            10,
            {"AutomaticAllocation": "true", "Connection": "NAT", "ResourceSubType": "E1000"},
        ),
    )
    return [_item(name, number, kind, more) for name, number, kind, more in rows]


def _item(name: str, number: int, kind: int, more: dict[str, str]) -> str:
    fields = {
        "Caption": name,
        "Description": name,
        "ElementName": name,
        "InstanceID": str(number),
        "ResourceType": str(kind),
        **more,
    }
    # The schema has the fields in alphabetical order, and importers hold to it.
    lines = "".join(f"        <rasd:{key}>{value}</rasd:{key}>\n" for key, value in sorted(fields.items()))
    return f"      <Item>\n{lines}      </Item>\n"


OVF = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xml:lang="en-US"
  xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xmlns:vbox="http://www.virtualbox.org/ovf/machine">
  <References>
    <File ovf:id="file1" ovf:href="{disk}" ovf:size="{size}"/>
  </References>
  <DiskSection>
    <Info>The disk that the machine boots from</Info>
    <Disk ovf:capacity="{capacity}" ovf:diskId="vmdisk1" ovf:fileRef="file1"
      ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>The network for management</Info>
    <Network ovf:name="NAT">
      <Description>Network address translation to the host</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A lab machine</Info>
    <OperatingSystemSection ovf:id="96">
      <Info>The kind of guest</Info>
      <Description>Debian_64</Description>
      <vbox:OSType ovf:required="false">Debian_64</vbox:OSType>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>The hardware of a machine with 1 CPU</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType>
      </System>
{items}    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""
