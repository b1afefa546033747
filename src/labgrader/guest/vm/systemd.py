"""What the preparation of a systemd machine is made of: commands, units, removing what packages brought."""

import contextlib
import glob
import os
import shutil
import subprocess
import sys

INSTALL_S = 1800
UNITS = {
    "labgrader-machine.service": """\
[Unit]
Description=Names of a lab's interfaces, and places to write in
DefaultDependencies=no
After=local-fs.target systemd-udev-settle.service systemd-tmpfiles-setup.service
Wants=systemd-udev-settle.service
Before=network-pre.target network.service labgrader-management.service
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 -IS /usr/lib/labgrader/machine.py

[Install]
WantedBy=multi-user.target
""",
    "labgrader-management.service": """\
[Unit]
Description=The way in for the grader
After=labgrader-machine.service
Before=network.service

[Service]
ExecStart=/usr/bin/python3 -IS /usr/lib/labgrader/management.py
Restart=always
RestartSec=0.5
StartLimitInterval=0
TasksMax=infinity

[Install]
WantedBy=multi-user.target
""",
}


def run(argv, timeout=60, check=True):
    """Run one command, its words on standard error; OSError naming it where it fails (with check)."""
    sys.stderr.write("prepare: %s\n" % " ".join(argv))
    sys.stderr.flush()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        status = subprocess.call(argv, stdin=subprocess.DEVNULL, stdout=2, timeout=timeout, env=environment)
    except subprocess.TimeoutExpired:
        raise OSError("%s did not end within %d s" % (" ".join(argv), timeout))
    if status and check:
        raise OSError("%s ended with status %d; its own words are above" % (" ".join(argv), status))
    return status


def remove(*patterns):
    """Remove files and folders by pattern; what is not there is no trouble."""
    for pattern in patterns:
        for path in glob.glob(pattern):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
