"""Causes that libvirt and QEMU tell through Vagrant's libvirt provider."""

from __future__ import annotations

from labgrader.providers.vagrant.causes import Cause

CAUSES = (
    Cause(
        "libvirt does not let you in; run: sudo usermod -aG libvirt $USER, then log in anew",
        r"Failed to connect socket to '[^']*': Permission denied|authentication (unavailable|failed).*polkit"
        r"|access denied by policy",
    ),
    Cause(
        "libvirt's log daemon does not run; run: sudo systemctl enable --now virtlogd.socket",
        r"Failed to connect socket to '[^']*virtlogd-sock'",
    ),
    Cause(
        "libvirt's daemon does not run ({path}); run: sudo systemctl enable --now libvirtd (./lab doctor "
        "tells more)",
        r"Failed to connect socket to '(?P<path>[^']*)': (No such file or directory|Connection refused)"
        r"|unable to connect to server at '(?P<path2>[^']*)'",
    ),
    Cause(
        "KVM cannot be used, so that libvirt starts no machine on the processor itself; load it (sudo "
        "modprobe kvm_intel or kvm_amd), or have machines emulated, slowly: export "
        "LABGRADER_LIBVIRT_DRIVER=qemu",
        r"could not find capabilities for domaintype=kvm|could not get preferred machine for \S+ type=kvm"
        r"|requires KVM, but it is not available|Could not access KVM kernel module|failed to initialize kvm"
        r"|does not support virt type 'kvm'|KVM is not (available|supported)|ioctl\(KVM_\w+\) failed",
    ),
    Cause(
        "libvirt's storage has no room for the machines' disks; free space there (/var/lib/libvirt/images, "
        "unless it was set up otherwise), and run: ./lab clean",
        r"(storage pool|volume|virStream|virStorage\w*|/libvirt/).*(No space left on device"
        r"|Disk quota exceeded)",
    ),
    Cause(
        "the addresses of a network of the lab are those of {name}, an interface that this machine has "
        "already; end what uses it, run: ./lab clean, or use --provider netns",
        r"Network is already in use by interface (?P<name>[^\s.]+)",
    ),
    Cause(
        "there is a bridge {name} on this machine already that libvirt did not make; remove it: sudo ip "
        "link delete {name}",
        r"error creating bridge interface (?P<name>[^\s:]+): File exists"
        r"|bridge name '(?P<name2>[^']+)' already in use",
    ),
    Cause(
        "libvirt has no network called {name}; it was removed while machines that use it were kept: run "
        "./lab machines --remove",
        r"no network with matching name '(?P<name>[^']+)'|Network (?P<name2>\S+) is not available\. Specify",
        ("NetworkNotAvailableError",),
    ),
    Cause(
        "libvirt's network {name} is not active; run: virsh -c qemu:///system net-start {name}",
        r"network '(?P<name>[^']+)' is not active",
    ),
    Cause(
        "libvirt's network {name} is there with other addresses than the lab's; run: ./lab clean, and if "
        "it is still there: virsh -c qemu:///system net-destroy {name}",
        r"does not match with network name (?P<name>[^\s.]+)"
        r"|Network (?P<name2>\S+) exists but does not have dhcp",
        ("NetworkNameAndAddressMismatch", "DHCPMismatch"),
    ),
    Cause(
        "the management network cannot be as it was asked for ({why}); see LABGRADER_MANAGEMENT",
        r"Error in specification of management network: (?P<why>[^.]+)",
        ("ManagementNetworkError",),
    ),
    Cause(
        "libvirt needs the program dnsmasq for its management network; run: sudo apt-get install "
        "dnsmasq-base",
        r"dnsmasq.*(No such file or directory|not found)|Cannot check dnsmasq binary",
    ),
    Cause(
        "libvirt could not set this machine's firewall for its networks; see that iptables or nft is "
        "installed, and that no other program holds it: sudo iptables -L",
        r"Failed to (apply firewall|run firewall|initialize a valid firewall)|iptables.*failed"
        r"|COMMAND_FAILED",
    ),
    Cause(
        "libvirt has a machine called {name} already, which a run that was killed has left; run: ./lab clean",
        r"Name `(?P<name>[^`]+)` of domain about to create is already taken"
        r"|domain '(?P<name2>[^']+)' (already exists|is already defined) with uuid",
        ("DomainNameExists",),
    ),
    Cause(
        "a disk with the machine's name ({name}) is there already, which a run that was killed has left; "
        "run: ./lab clean",
        r"storage volume '(?P<name>[^']+)' exists already|storage vol(ume)? already exists"
        r"|Volume for domain is already created",
        ("DomainVolumeExists",),
    ),
    Cause(
        "libvirt's storage pool {name} is not there or not active; run: virsh -c qemu:///system pool-list "
        "--all, then pool-start NAME",
        r"storage pool '(?P<name>[^']+)' is not active|no storage pool with matching name '(?P<name2>[^']+)'"
        r"|No usable storage pool found|creating Libvirt storage pool",
        ("NoStoragePool", "CreatingStoragePoolError"),
    ),
    Cause(
        "this machine has too little free memory for the lab's machines; end other programs or machines, "
        "and try again",
        r"(set up guest memory|backing store for guest RAM|qemu|virDomain)[^/]*Cannot allocate memory",
    ),
    Cause(
        "QEMU may not read the machine's disk {path}; the folders above it must be open to its user "
        "(libvirt-qemu): chmod o+x FOLDER",
        r"(Could not open|Cannot access storage file"
        r"|Could not reopen file) '?(?P<path>/[^':]+)'?.*Permission denied",
    ),
    Cause(
        "the machine's disk {path} is gone; run: ./lab machines --remove, and the machines are made anew",
        r"(Could not open|Cannot access storage file) '?(?P<path>/[^':]+)'?.*No such file or directory"
        r"|Storage volume not found|Volume for domain is missing",
        ("NoDomainVolume",),
    ),
    Cause(
        "the box's disk is missing in libvirt's storage; run: vagrant box remove NAME, and it is fetched "
        "anew",
        r"Volume for box image is missing",
        ("NoBoxVolume",),
    ),
    Cause(
        "libvirt could not keep or find the machine's snapshot ({why}); run: ./lab machines --remove, and "
        "the machines are made anew",
        r"(Snapshot not found|Cannot (list|create|revert) snapshots?(\(s\))?|Error while deleting snapshot): "
        r"(?P<why>.*)",
    ),
    Cause(
        "libvirt no longer has the machine; it was removed by somebody else: run ./lab clean",
        r"Domain not found|No domain found",
        ("NoDomainError",),
    ),
    Cause(
        "the machine got no address on the management network; it may not have booted (virsh -c "
        "qemu:///system console NAME), or another DHCP server is in the way",
        r"No IP address found|The specified wait_for timeout",
        ("NoIpAddressError",),
    ),
    Cause(
        "AppArmor keeps libvirt from starting the machine; see: sudo journalctl -k -g apparmor",
        r"cannot load AppArmor profile",
    ),
    Cause(
        "libvirt holds the machine for another task; wait for it to end, and try again",
        r"cannot acquire state change lock|Timed out during operation",
    ),
    Cause(
        "QEMU ended as soon as it was started: {why}",
        r"(unexpectedly closed the monitor|process exited while connecting to monitor)(: )?(?P<why>.*)",
    ),
    Cause(
        "the box is not fit for libvirt ({why}); choose another one: LABGRADER_BOX",
        r"(?P<why>Invalid box metadata, missing expected attribute: '[^']*'|(No"
        r"|Wrong) image format specified for box"
        r"|No image virtual size specified for box|Received error when query the box image details)",
        ("BadBoxImage",),
    ),
)
