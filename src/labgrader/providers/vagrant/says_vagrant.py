"""Causes that Vagrant tells itself, whatever makes the machines, and what the system tells it."""

from __future__ import annotations

from labgrader.providers.vagrant.causes import Cause

# What was said inside a machine, with words of any kind in it.
INSIDE = (
    Cause(
        "its preparation failed in the machine (a package that cannot be had, as a rule); what it said is "
        "in the log",
        r"SSH command responded with a non-zero exit status",
    ),
)

_OFFLINE = r"(resolve host|resolve proxy|connect to|timed out|unreachable|Connection refused|reset by peer)"

CAUSES = (
    # Boxes.
    Cause(
        "the box {box} is not on this machine, and the catalogue cannot be reached ({why}); go online "
        "once, or build a box: ./lab box build, then export LABGRADER_BOX=built",
        r"box '(?P<box>[^']+)' could not be found or could not be accessed.*?\] Error: "
        rf"(?P<why>[^.]*{_OFFLINE}.*)",
    ),
    Cause(
        "the catalogue has no box {box} that it would give ({why}); see LABGRADER_BOX",
        r"box '(?P<box>[^']+)' could not be found or could not be accessed.*?\] Error: (?P<why>.*)",
        ("BoxAddShortNotFound",),
    ),
    Cause(
        "the disk that holds Vagrant's boxes is full; free space there (vagrant box prune), or set "
        "VAGRANT_HOME to a folder on another disk",
        r"Failure writing output to destination|(untar|unpack|bsdtar|extract).*(No space left on device"
        r"|Write failed)"
        r"|Failed writing (body|received data)",
    ),
    Cause(
        "the box could not be fetched ({why}); go online once, or build a box: ./lab box build, then "
        "export LABGRADER_BOX=built",
        rf"downloading the (remote file|metadata).*?(again\.|below:) (?P<why>.*{_OFFLINE}.*)",
    ),
    Cause(
        "a file of the box could not be fetched ({why}); see LABGRADER_BOX and the proxy's settings",
        r"downloading the (remote file|metadata).*?(again\.|below:) (?P<why>.*)",
        ("DownloaderError", "BoxMetadataDownloadError"),
    ),
    Cause(
        "the box {box} has no version that fits {asked} (there are: {there}); see boxes.yaml",
        r"no available version that matches.*Box: (?P<box>\S+).*Constraints: (?P<asked>.*?) Available "
        r"versions: "
        r"(?P<there>.*)",
        ("BoxAddNoMatchingVersion",),
    ),
    Cause(
        "the box {box} does not exist for {provider}; choose another box: LABGRADER_BOX",
        r"doesn't support the provider you requested.*Name: (?P<box>\S+).*Requested provider: "
        r"(?P<provider>.*)",
        ("BoxAddNoMatchingProvider",),
    ),
    Cause(
        "the box file is made for {there}, not for {asked}; build it anew: ./lab box build",
        r"Provider expected: (?P<asked>\S+) Provider of box: (?P<there>\S+)",
        ("BoxProviderDoesntMatch",),
    ),
    Cause(
        "the box that was fetched has not the digest that it should have ({got}, not {asked}): it is "
        "damaged or not the one that was meant; try again, and do not use it if that repeats",
        r"checksum.*Expected( checksum)?: (?P<asked>\S+) (Received|Calculated checksum): (?P<got>\S+)",
        ("BoxChecksumMismatch", "DownloaderChecksumError"),
    ),
    Cause(
        "the box file cannot be unpacked: it is no box, it is damaged, or the disk is full; remove it and "
        "make or fetch it anew",
        r"box failed to unpackage properly|box file you're attempting to add is invalid",
        ("BoxUnpackageFailure", "BoxVerificationFailed"),
    ),
    Cause(
        "the box {box} is not whole on this machine; run: vagrant box remove {box}, and it is fetched anew",
        r"metadata associated with the box '(?P<box>[^']+)' appears (corrupted|to be missing)"
        r"|\"metadata\.json\" file for the box '(?P<box2>[^']+)' was not found",
    ),
    Cause(
        "the box {box} is not on this machine; see LABGRADER_BOX, or build one: ./lab box build",
        r"The box '(?P<box>[^']+)'.*(does not exist|could not be found|isn't installed)"
        r"|A URL to a Vagrant Cloud server is not set",
        ("BoxNotFound", "BoxNotFoundWithProvider", "BoxNotFoundWithProviderAndVersion", "BoxServerNotSet"),
    ),
    # Booting and logging in.
    Cause(
        "it booted, and does not accept the key to log in with: its box has another; run: ./lab machines "
        "--remove, and see LABGRADER_BOX",
        r"Timed out while waiting for the machine to boot",
        ("VMBootTimeout",),
        warned="Authentication failure",
    ),
    Cause(
        "it did not boot and answer in time; on a slow machine set LABGRADER_BOOT_TIMEOUT to more seconds, "
        "else look at its console (VirtualBox's window; virsh console NAME)",
        r"Timed out while waiting for the machine to boot",
        ("VMBootTimeout",),
    ),
    Cause(
        "it fell into the state «{state}» instead of booting; its box or the hypervisor does not fit this "
        "machine: look at its console, and run: ./lab doctor",
        r"entered an invalid state while waiting.*The machine is in the '(?P<state>[^']+)' state",
        ("VMBootBadState",),
    ),
    Cause(
        "it does not accept the key to log in with; run: ./lab machines --remove, and the machines are "
        "made anew",
        r"SSH authentication failed!",
        ("SSHAuthenticationFailed",),
    ),
    Cause(
        "it does not run, or has no address yet, so that nobody can log in; run: ./lab machines --remove "
        "if that stays so",
        r"not yet ready for SSH|VM must be (running|created)",
        ("SSHNotReady", "VMNotRunningError", "VMNotCreatedError"),
    ),
    Cause(
        "its SSH cannot be reached, though it runs; look at its console, and run: ./lab machines --remove "
        "if that stays so",
        r"SSH connection was (refused|reset|aborted|unexpectedly closed)"
        r"|timed out while attempting to connect via SSH"
        r"|attempting to connect with SSH|Failed to open an SSH channel"
        r"|SSH is getting permission denied errors",
    ),
    Cause(
        "Vagrant may not use its private key {path}; it must be yours and closed to others: chmod 600 {path}",
        r"private key to connect to .*(running this command again|running Vagrant): (?P<path>\S+)",
        ("SSHKeyBadOwner", "SSHKeyBadPermissions"),
    ),
    Cause(
        "there is no ssh on this machine; run: sudo apt-get install openssh-client",
        errors=("SSHUnavailable",),
    ),
    # Locks, ports, snapshots, states.
    Cause(
        "another Vagrant works on this machine just now; wait for it to end (ps -ef | grep vagrant), and "
        "try again",
        r"locked! This means that another Vagrant process|another process is already executing an action"
        r"|lock is being held by another instance of Vagrant",
        ("MachineLocked", "MachineActionLockedError", "EnvironmentLockedError"),
    ),
    Cause(
        "the port {port} of this machine is in use by another program; end that, and try again (ss -ltnp)",
        r"The forwarded port to (?P<port>\d+) is already in use",
        ("ForwardPortCollision",),
    ),
    Cause(
        "all ports that Vagrant may forward (2200 to 2250) are in use; run: ./lab machines --remove, or "
        "end what has them (ss -ltnp)",
        r"ports in the auto-correction range are all also used",
        ("ForwardPortAutolistEmpty",),
    ),
    Cause(
        "its snapshot {name} is gone; run: ./lab machines --remove, and the machines are made anew",
        r"The snapshot name `(?P<name>[^`]+)` was not found",
        ("SnapshotNotFound",),
    ),
    Cause(
        "its snapshot is there already; run: ./lab machines --remove, and the machines are made anew",
        r"include the `--force` option to replace an existing snapshot",
        ("SnapshotConflictFailed",),
    ),
    Cause("its provider cannot keep snapshots; use VirtualBox or libvirt", errors=("SnapshotNotSupported",)),
    Cause(
        "it was asked to restore a machine that is not created; run: ./lab machines --remove, and the "
        "machines are made anew",
        r"undefined method [`']include\?' for nil.*",
        warned=r"snapshot/command/restore\.rb",
    ),
    Cause(
        "it was made with {active}, and now {asked} is asked for; run: ./lab machines --remove, or choose "
        "the other: export VAGRANT_DEFAULT_PROVIDER={active}",
        r"Active provider: (?P<active>\S+) Requested provider: (?P<asked>\S+)",
        ("ActiveMachineWithDifferentProvider",),
    ),
    # Vagrant's installation and files.
    Cause(
        "Vagrant has no provider {name}; install its plug-in: sudo apt-get install vagrant-libvirt (with "
        "the maker's Vagrant: vagrant plugin install vagrant-libvirt), or use VirtualBox",
        r"The provider '(?P<name>[^']+)' could not be found",
        ("ProviderNotFound", "ProviderNotFoundSuggestion"),
    ),
    Cause(
        "there is neither a VirtualBox nor a libvirt that Vagrant could use; ./lab doctor tells what is "
        "missing",
        r"No usable default provider could be found",
        ("NoDefaultProvider",),
    ),
    Cause(
        "Vagrant's plug-ins do not load ({why}); run: vagrant plugin repair, or vagrant plugin expunge "
        "--reinstall",
        r"(plugins failed to (load|initialize).*(shown below\.|initialization:)|properly resolve required "
        r"dependencies.*reported error is:) (?P<why>.*)"
        r"|failed to (load a configured plugin source|properly initialize its internal library)",
        ("PluginLoadError", "PluginInitError", "BundlerError", "PluginSourceError", "SourceSpecNotFound"),
    ),
    Cause(
        "Vagrant's list of plug-ins {path} is damaged; remove it, and install the plug-ins anew",
        r"Failed to parse the state file \"(?P<path>[^\"]+)\"",
        ("PluginStateFileParseError",),
    ),
    Cause(
        "the Vagrantfile wants Vagrant {asked}, and this is {there}; take the newest from "
        "https://developer.hashicorp.com/vagrant/install",
        r"version requirements: (?P<asked>.*?) You are running Vagrant (?P<there>[^,\s]+)",
        ("VagrantVersionBad",),
    ),
    Cause(
        "a Vagrantfile has a syntax error ({where}); mend it there",
        r"syntax error in the following Vagrantfile.*?below for convenience: (?P<where>\S+:\d+)",
        ("VagrantfileSyntaxError",),
    ),
    Cause(
        "a Vagrantfile cannot be loaded ({path}: {why}); mend it there",
        r"error loading a Vagrantfile.*Path: (?P<path>.*?) Line number: (0|unknown) Message: (?P<why>.*)",
    ),
    Cause(
        "a Vagrantfile cannot be loaded ({path}, line {line}: {why}); mend it there",
        r"error loading a Vagrantfile.*Path: (?P<path>.*?) Line number: (?P<line>\S+) Message: (?P<why>.*)",
        ("VagrantfileLoadError", "VagrantfileNameError"),
    ),
    Cause(
        "the Vagrantfile's settings do not hold ({why})",
        r"errors in the configuration of this machine.*try again: (?P<why>.*)",
        ("ConfigInvalid",),
    ),
    Cause(
        "Vagrant may not write its folder {path}; perhaps a sudo vagrant made it: sudo chown -R $USER {path}",
        r"(Local data directory|You specified): (?P<path>\S+)"
        r"|copy the default insecure private key.*Destination: (?P<path2>\S+)",
        ("LocalDataDirectoryNotAccessible", "HomeDirectoryNotAccessible", "CopyPrivateKeyFailed"),
    ),
    Cause(
        "a newer Vagrant has used ~/.vagrant.d already; install that one again, or set VAGRANT_HOME to "
        "another folder",
        r"a newer version of Vagrant was run|in a structure Vagrant doesn't understand",
        ("HomeDirectoryLaterVersion", "HomeDirectoryUnknownVersion"),
    ),
    Cause(
        "Vagrant's list of machines {path} is damaged; remove that file, then run: ./lab clean",
        r"machine index .* corrupt.*Path: (?P<path>\S+)",
        ("CorruptMachineIndex",),
    ),
    Cause("it was interrupted", errors=("VagrantInterrupt", "DownloaderInterrupted", "Interrupt")),
    Cause(
        "Vagrant asks something, and nobody is there to answer; what it asks is in the log",
        errors=("UIExpectsTTY",),
        words=r"interface with the UI in a way that requires a TTY",
    ),
    Cause(
        "Vagrant does not know this call: {why}",
        r"(?P<why>(An invalid option was|This command was not)[^.]*)\.",
    ),
)

# What the system told Ruby (Errno::…), as it stands in a message or in a trace.
SYSTEM = (
    Cause(
        "a disk is full or the user's share of it used up ({path}); free space there, then run: ./lab clean",
        r"(No space left on device|Disk quota exceeded)( @ \S+ - (?P<path>\S+))?",
        ("ENOSPC", "EDQUOT"),
    ),
    Cause(
        "Vagrant may not write {path}; see who owns it: ls -ld {path}",
        r"(Permission denied|Read-only file system|Operation not permitted) @ \S+ - (?P<path>\S+)",
        ("EACCES", "EROFS", "EPERM"),
    ),
    Cause(
        "this machine has too little free memory to run Vagrant; end other programs or machines, and try "
        "again",
        r"(Cannot allocate memory|failed to allocate memory)",
        ("ENOMEM", "NoMemoryError"),
    ),
    Cause(
        "Vagrant is not installed whole ({why}); install it anew: sudo apt-get install --reinstall vagrant",
        r"(?P<why>cannot load such file -- \S+|Could not find '[^']+' \([^)]*\)[^.(]*)",
        ("LoadError", "MissingSpecError", "GemNotFound"),
    ),
)
