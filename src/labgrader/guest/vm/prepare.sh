#!/bin/sh
# Prepares a virtual machine for a lab; run as root:  sh prepare.sh SETTINGS.json
# Finds Python or installs it from the machine's own packages; prepare.py does the rest.
set -eu
here=$(dirname "$0")
settings=${1:?usage: prepare.sh SETTINGS.json}
# What dnf of release 8 runs on is always there, and prepare.py sees to the memory that dnf needs.
if [ ! -x /usr/bin/python3 ] && [ -x /usr/libexec/platform-python ]; then
    exec /usr/libexec/platform-python -B "$here/prepare.py" "$settings"
fi
if [ ! -x /usr/bin/python3 ]; then
    if command -v dnf > /dev/null; then
        dnf -y -q install python3 >&2
    elif command -v apt-get > /dev/null; then
        apt-get -qq update >&2
        DEBIAN_FRONTEND=noninteractive apt-get -y -qq install --no-install-recommends python3 >&2
    fi
fi
if [ ! -x /usr/bin/python3 ]; then
    echo "prepare: this machine has no /usr/bin/python3 and neither dnf nor apt-get brought one." >&2
    exit 1
fi
exec /usr/bin/python3 -B "$here/prepare.py" "$settings"
