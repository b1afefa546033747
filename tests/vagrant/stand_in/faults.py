"""Failures on demand, so that the sentences about a broken VirtualBox can be tested.

STAND_IN_FAIL="CALL: WORDS"  the call that begins with these words ("startvm", "snapshot X take" as
                             "snapshot take") ends with status 1 and WORDS as VBoxManage's error; WORDS may
                             be the name of an error in KNOWN. Several stand on lines of their own.
STAND_IN_HANG="CALL"         the call never ends.
STAND_IN_FROZEN="1"          machines are started and never get a processor: nothing in them ever answers.
"""

from __future__ import annotations

import os
import signal

from tests.vagrant.stand_in.store import Refused

# As users of VirtualBox reported what it printed.
KVM_HOLDS_IT = "Please disable the KVM kernel extension, recompile your kernel and reboot"
CONSOLE = "Details: code NS_ERROR_FAILURE (0x80004005), component ConsoleWrap, interface IConsole"
KNOWN = {
    "VERR_VMX_IN_VMX_ROOT_MODE": (
        "VT-x is being used by another hypervisor (VERR_VMX_IN_VMX_ROOT_MODE).",
        f"VirtualBox can't operate in VMX root mode. {KVM_HOLDS_IT} (VERR_VMX_IN_VMX_ROOT_MODE)",
        CONSOLE,
    ),
    "VERR_SVM_IN_USE": (
        f"VirtualBox can't enable the AMD-V extension. {KVM_HOLDS_IT} (VERR_SVM_IN_USE)",
        CONSOLE,
    ),
    "VERR_SVM_HOST_SVME_NOT_ENABLED": (
        "Host API has not enabled SVME bit in EFER MSR. (VERR_SVM_HOST_SVME_NOT_ENABLED)",
        CONSOLE,
    ),
    "VERR_DISK_FULL": (
        "Appliance import failed",
        "Could not create the imported medium '/root/VirtualBox VMs/box/box.vmdk'.",
        "VMDK: cannot write allocated data block in '/root/VirtualBox VMs/box/box.vmdk' (VERR_DISK_FULL)",
        "Details: code VBOX_E_FILE_ERROR (0x80bb0004), component ApplianceWrap, interface IAppliance",
    ),
    "VERR_VM_DRIVER_NOT_INSTALLED": (
        "The virtual machine 'lab' has terminated unexpectedly during startup with exit code 1 (0x1)",
        "Details: code NS_ERROR_FAILURE (0x80004005), component MachineWrap, interface IMachine",
    ),
}
# What --version prints besides the version where the kernel driver is missing.
NO_DRIVER = """\
WARNING: The vboxdrv kernel module is not loaded. Either there is no module
         available for the current kernel or it failed to load. Please recompile
         the kernel module and install it by

           sudo /sbin/vboxconfig

         You will not be able to start VMs until this problem is fixed.
"""


def meet(words: list[str]) -> None:
    """Fail or hang if this call was chosen for it."""
    # "snapshot ID take NAME" is told as "snapshot take".
    said = " ".join([words[0], *words[2:]] if words[:1] in (["snapshot"], ["controlvm"]) else words)
    hanging = os.environ.get("STAND_IN_HANG")
    if hanging and said.startswith(hanging):
        while True:
            signal.pause()
    for line in os.environ.get("STAND_IN_FAIL", "").splitlines():
        call, _, error = (part.strip() for part in line.partition(":"))
        if call and said.startswith(call):
            raise Refused(*KNOWN.get(error, (error,)))


def frozen() -> bool:
    """Whether machines get no processor."""
    return os.environ.get("STAND_IN_FROZEN") == "1"


def warning() -> str:
    """What --version prints before the version: nothing, or that the kernel driver is missing."""
    return NO_DRIVER if "VERR_VM_DRIVER_NOT_INSTALLED" in os.environ.get("STAND_IN_FAIL", "") else ""
