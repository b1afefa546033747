"""Reading the OVF of a box, as far as a machine can be made of it; what it lacks or contradicts is refused.

Facts: DMTF DSP0243 (the Open Virtualization Format), and the resource types of the CIM class
CIM_ResourceAllocationSettingData.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from tests.vagrant.stand_in import disks
from tests.vagrant.stand_in.store import FILE_ERROR, Nic, Refused, Settings, machines_folder, new_mac

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
CPU, MEMORY, IDE, SCSI, ETHERNET, DISK, OTHER_STORAGE = "3", "4", "5", "6", "10", "17", "20"
CARDS = {"e1000": "82540EM", "pcnet32": "Am79C973", "virtio": "virtio"}
UNITS = {"byte * 2^20": 1, "megabytes": 1, "byte * 2^30": 1024}


@dataclass(frozen=True)
class Appliance:
    """What an OVF describes: a name, an image beside it, and the machine around."""

    name: str
    image: Path
    settings: Settings


def read(path: Path) -> Appliance:
    """The appliance of an OVF file with one virtual system and one disk."""
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise Refused(f"Appliance read failed: {path}: {error}", code=FILE_ERROR) from error
    system = root.find(f"{OVF}VirtualSystem")
    if system is None:
        raise _wrong(path, "there is no VirtualSystem in it")
    items = [
        {child.tag.removeprefix(RASD): (child.text or "").strip() for child in item}
        for item in system.iter(f"{OVF}Item")
    ]
    of_type = {kind: [item for item in items if item.get("ResourceType") == kind] for kind in _types(items)}
    hard_disks = of_type.get(DISK, [])
    if len(hard_disks) != 1:
        raise _wrong(path, f"it has {len(hard_disks)} disks, not one")
    memory = _only(path, of_type, MEMORY)
    settings = Settings(
        memory=int(memory["VirtualQuantity"]) * UNITS[memory.get("AllocationUnits", "MegaBytes").lower()],
        cpus=int(_only(path, of_type, CPU)["VirtualQuantity"]),
        controller=_controller(path, items, hard_disks[0]["Parent"]),
        port=int(hard_disks[0].get("AddressOnParent", "0")),
    )
    for number, item in enumerate(of_type.get(ETHERNET, []), start=1):
        model = CARDS.get(item.get("ResourceSubType", "E1000").lower())
        if model is None:
            raise _wrong(path, f"there is no network card {item['ResourceSubType']}")
        kind = "nat" if item.get("Connection", "NAT").upper() == "NAT" else "none"
        settings.nics[number] = Nic(kind, new_mac(), model=model)
    return Appliance(system.attrib[f"{OVF}id"], _image(path, root, hard_disks[0]["HostResource"]), settings)


def told(path: Path, appliance: Appliance) -> str:
    """What a dry run prints; Vagrant reads the name, the settings file and the disk's number from it."""
    name, image = appliance.name, appliance.image.name
    return f"""\
0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%
Interpreting {path}...
OK.
Disks:
  {image}

Virtual system 0:
 1: Suggested VM name "{name}"
    (change with "--vsys 0 --vmname <name>")
 3: Suggested VM settings file name "{machines_folder()}/{name}/{name}.vbox"
 5: Number of CPUs: {appliance.settings.cpus}
 6: Guest memory: {appliance.settings.memory} MB
 9: Hard disk image: source image={image}, target path={image}, controller=8;port={appliance.settings.port}
    (change target path with "--vsys 0 --unit 9 --disk path")
"""


def _image(path: Path, root: ET.Element, resource: str) -> Path:
    disk_id = resource.rpartition("/")[2]
    disk = next((d for d in root.iter(f"{OVF}Disk") if d.get(f"{OVF}diskId") == disk_id), None)
    if disk is None:
        raise _wrong(path, f"{resource} is not in its DiskSection")
    file = next((f for f in root.iter(f"{OVF}File") if f.get(f"{OVF}id") == disk.get(f"{OVF}fileRef")), None)
    if file is None:
        raise _wrong(path, f"the file {disk.get(f'{OVF}fileRef')} is not in its References")
    image = path.parent / file.attrib[f"{OVF}href"]
    if not image.is_file():
        raise Refused(f"Could not open the file '{image}' (VERR_FILE_NOT_FOUND)", code=FILE_ERROR)
    declared = file.get(f"{OVF}size")
    if declared is not None and int(declared) != image.stat().st_size:
        raise _wrong(path, f"{image.name} has {image.stat().st_size} bytes, not {declared}")
    capacity = int(disk.attrib[f"{OVF}capacity"]) * _unit(disk.get(f"{OVF}capacityAllocationUnits", "byte"))
    if capacity != disks.size(image):
        raise _wrong(path, f"{image.name} is a disk of {disks.size(image)} bytes, not {capacity}")
    return image


def _unit(text: str) -> int:
    """2^20 for "byte * 2^20"."""
    power = text.partition("2^")[2]
    return 1 << int(power) if power else 1


def _controller(path: Path, items: list[dict[str, str]], instance: str) -> str:
    item = next((item for item in items if item.get("InstanceID") == instance), {})
    kind, model = item.get("ResourceType"), item.get("ResourceSubType", "").lower()
    if kind == OTHER_STORAGE and model == "ahci":
        return "IntelAhci"
    if kind == IDE and model in {"", "piix3", "piix4"}:
        return "PIIX4"
    if kind in {SCSI, OTHER_STORAGE} and model in {"virtioscsi", "virtio-scsi"}:
        return "VirtioSCSI"
    raise _wrong(path, f"the stand-in has no disk controller of type {kind} {model}")


def _types(items: list[dict[str, str]]) -> set[str]:
    return {item.get("ResourceType", "") for item in items}


def _only(path: Path, of_type: dict[str, list[dict[str, str]]], kind: str) -> dict[str, str]:
    found = of_type.get(kind, [])
    if len(found) != 1:
        raise _wrong(path, f"it has {len(found)} items of ResourceType {kind}, not one")
    return found[0]


def _wrong(path: Path, what: str) -> Refused:
    return Refused(f"Appliance interpretation failed: {path}: {what}", code=FILE_ERROR)
