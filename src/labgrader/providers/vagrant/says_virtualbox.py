"""Causes that VirtualBox tells through Vagrant: the codes of VBoxManage, and Vagrant's errors about it."""

from __future__ import annotations

from labgrader.providers.vagrant.causes import Cause

CAUSES = (
    Cause(
        "another hypervisor, KVM as a rule, holds the processor's virtualization, so that VirtualBox "
        "starts no machine; end its machines and run: sudo modprobe -r kvm_intel kvm_amd kvm (./lab doctor "
        "tells how to have it so for ever)",
        r"VERR_VMX_IN_VMX_ROOT_MODE|VERR_SVM_IN_USE|(VT-x|AMD-V) is being used by another hypervisor",
    ),
    Cause(
        "VirtualBox finds the processor's virtualization (VT-x, AMD-V) absent or switched off; switch it "
        "on in the firmware's set-up, give it to this machine if it is itself a virtual one, or use "
        "--provider netns",
        r"VERR_(VMX_NO_VMX|SVM_NO_SVM|VMX_MSR_\w+DISABLED|VMX_MSR_LOCKED\w*|SVM_DISABLED|NEM_NOT_AVAILABLE)",
    ),
    Cause(
        "the disk of VirtualBox's machines is full ({path}); free space there, or choose another folder: "
        "VBoxManage setproperty machinefolder FOLDER",
        r"(?:'(?P<path>[^']*)' \(VERR_DISK_FULL|VERR_DISK_FULL)",
    ),
    Cause(
        "this machine has too little free memory for the lab's machines; end other programs or machines, "
        "and try again",
        r"VERR_NO_(LOW_|PHYS_|PAGE_|CONT_|EXEC_|TMP_)?MEMORY|E_OUTOFMEMORY",
    ),
    Cause(
        "VirtualBox's kernel module is of another version than VirtualBox; run: sudo /sbin/vboxconfig, or "
        "boot anew after an upgrade",
        r"VERR_VM_DRIVER_VERSION_MISMATCH",
    ),
    Cause(
        "you may not use VirtualBox's kernel module; run: sudo usermod -aG vboxusers $USER, then log in anew",
        r"VERR_VM_DRIVER_NOT_ACCESSIBLE",
    ),
    Cause(
        "VirtualBox's kernel module is not loaded; run: sudo modprobe vboxdrv, and if there is none for "
        "this kernel: sudo /sbin/vboxconfig (./lab doctor tells more)",
        r"VERR_VM_DRIVER_NOT_INSTALLED|complaining that the kernel module is not loaded"
        r"|vboxdrv kernel module is not loaded|failed to open /dev/vboxnetctl|VERR_VM_DRIVER_LOAD_ERROR",
        ("VirtualBoxKernelModuleNotLoaded",),
    ),
    Cause(
        "VirtualBox allows no host-only network with the address {address}; write the range into "
        "/etc/vbox/networks.conf as a line like: * 192.168.0.0/16 (the labs themselves use none)",
        r"not within the allowed ranges.*?Address: (?P<address>\S+)"
        r"|hostonlyif.*?--ip\W+(?P<address2>[0-9a-f.:]+).*E_ACCESSDENIED",
        ("VirtualBoxInvalidHostSubnet",),
    ),
    Cause(
        "a host-only network of VirtualBox has the addresses of another network of this machine "
        "({network}); leave that network, or remove the one of VirtualBox that is not needed: VBoxManage "
        "list hostonlyifs",
        r"collides with a non-hostonly network.*?Bridged Network Address: '(?P<network>[^']+)'",
        ("NetworkCollision",),
    ),
    Cause(
        "VirtualBox has the folder {name} already, which a run that was killed has left; run: ./lab clean, "
        "and remove the folder if it is still there",
        r"Could not rename the directory '[^']*' to '(?P<name>[^']+)'.*VERR_ALREADY_EXISTS",
    ),
    Cause(
        "VirtualBox has a machine called {name} already, which a run that was killed has left; run: ./lab "
        "clean",
        r"Machine settings file '(?P<name>[^']+)' already exists"
        r"|A VirtualBox machine with the name '(?P<name2>[^']+)' already exists"
        r"|another VM with that name already exists|VERR_ALREADY_EXISTS",
        ("VirtualBoxNameExists", "VMNameExists"),
    ),
    Cause(
        "a disk of the machine ({path}) is in use by another task of VirtualBox; wait for it to end, and "
        "try again",
        r"Medium '(?P<path>[^']+)' is locked for (reading|writing)",
    ),
    Cause(
        "VirtualBox's machine {name} is held by another VBoxManage or by VirtualBox's window; wait for it "
        "or close it, and try again",
        r"The machine '(?P<name>[^']+)' is already locked|VBOX_E_INVALID_OBJECT_STATE"
        r"|E_ACCESSDENIED.*not mutable",
    ),
    Cause(
        "VirtualBox's disk {path} is damaged; run: ./lab machines --remove, and if that does not help, "
        "remove the box too: vagrant box remove NAME",
        r"'(?P<path>[^']+)' \((VERR_VD_\w*INVALID_HEADER|VERR_VD_IMAGE_CORRUPTED)",
    ),
    Cause(
        "VirtualBox still knows a disk {path} that was removed or copied; run: VBoxManage closemedium disk "
        "PATH",
        r"Cannot register the hard disk '(?P<path>[^']+)'.*already exists",
    ),
    Cause(
        "VirtualBox's disk {path} is gone; run: ./lab machines --remove, and the machines are made anew",
        r"(Could not (open|find file for) the medium|opening image file) (storage unit )?'(?P<path>[^']+)'"
        r".*VERR_(FILE|PATH)_NOT_FOUND",
    ),
    Cause(
        "VirtualBox cannot start its own program for a machine; it is not installed whole: install it anew",
        r"Could not launch a process for the machine|VERR_(FILE|PATH)_NOT_FOUND.*LaunchVMProcess",
    ),
    Cause(
        "VirtualBox no longer has the machine {name}; it was removed by somebody else: run ./lab clean",
        r"Could not find a registered machine (named|with UUID) [{']?(?P<name>[^}' ]+)",
    ),
    Cause(
        "VirtualBox may not write {path}; see who owns that folder, and give it back: sudo chown -R $USER "
        "FOLDER",
        r"'(?P<path>[^']+)' \(VERR_(ACCESS_DENIED|WRITE_PROTECT)",
    ),
    Cause(
        "VirtualBox's machine is inaccessible: its files are damaged or gone; run: ./lab machines --remove",
        errors=("VMInaccessible",),
    ),
    Cause(
        "the machines were made by another user (id {uid}), and VirtualBox lets only that one use them; "
        "call labgrader as that user",
        r"The UID used to create the VM was: (?P<uid>\d+)",
        ("VirtualBoxUserMismatch",),
    ),
    Cause(
        "this Vagrant does not know the VirtualBox that is installed (it knows {versions}); install one of "
        "these, or a newer Vagrant from https://developer.hashicorp.com/vagrant/install",
        r"install one of the supported versions listed below to use Vagrant: (?P<versions>[0-9., ]+)",
        ("VirtualBoxInvalidVersion",),
    ),
    Cause(
        "VirtualBox 4.2.14 does not work with Vagrant; install a newer one",
        errors=("VirtualBoxBrokenVersion040214",),
        words=r"VirtualBox 4\.2\.14 contains a critical bug",
    ),
    Cause(
        "VirtualBox is not installed whole; run: VBoxManage --version, and do what it says",
        r"complaining that the installation is incomplete|calls to detect the version are returning empty"
        r"|was an error running VBoxManage|\"VBoxManage\" command or one of its dependencies could not",
        (
            *("VirtualBoxInstallIncomplete", "VirtualBoxVersionEmpty", "VBoxManageLaunchError"),
            "VBoxManageNotFoundError",
        ),
    ),
    Cause(
        "VirtualBox is not on this machine, or its VBoxManage is not on the PATH; install VirtualBox "
        "(./lab doctor tells how), or choose libvirt: export VAGRANT_DEFAULT_PROVIDER=libvirt",
        r"could not detect VirtualBox!",
        ("VirtualBoxNotDetected",),
    ),
    Cause(
        "VirtualBox's service does not start or has died; end what is left of it (ps -ef | grep VBoxSVC), "
        "and try again",
        r"Failed to create the VirtualBox object|NS_ERROR_(CALL_FAILED|ABORT)\b|VBoxSVC.*(died|not running)",
    ),
    Cause(
        "VirtualBox could not import the box; it may be damaged, or the disk full: vagrant box remove NAME "
        "fetches it anew",
        errors=("VMImportFailure",),
        words=r"VM import failed! Try running",
    ),
    Cause(
        "VirtualBox could not make a linked clone of the box; run: ./lab clean, and try again",
        errors=("VMCloneFailure", "VMCreateMasterFailure"),
        words=r"Creation of the linked clone failed|lock-file for master VM creation",
    ),
    Cause(
        "VirtualBox gives a machine at most 8 network interfaces, one of them for management; the lab asks "
        "for more",
        errors=("VirtualBoxNoRoomForHighLevelNetwork",),
        words=r"no available slots on the VirtualBox VM for the configured high-level network",
    ),
)
