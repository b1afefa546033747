# Sourced by ../../lab when something is missing. Uses its root, venv, system, stamps and functions.

disk_full() { # LOG
    local probe=$venv/labgrader.probe full=1
    grep -qiE 'no space left|disk quota exceeded|errno 28' "$1" && return
    # A full disk may have cut the log short of saying so.
    [[ -d $venv && -w $venv ]] || return 1
    { printf '%65536s' x >"$probe"; } 2>/dev/null && full=0
    rm -f "$probe"
    [[ $full == 1 ]]
}

# Ends with the sentence that fits an apt or pip log.
explain() { # WHAT LOG
    local what=$1 log=$2 last
    if disk_full "$log"; then
        fail 3 "$what failed: the disk is full; free some 300 MB for $venv and run ./lab again (log: $log)."
    fi
    if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
        fail 3 "$what failed: a downloaded file is not the one that the lock file names; try again, or another mirror (log: $log)."
    fi
    if grep -qiE 'name resolution|could not resolve|network is unreachable|connection (refused|timed out|failed)|timed out|newconnectionerror|max retries|proxyerror|ssl.*error|could not find a version|no matching distribution|unable to (locate|fetch)|failed to fetch' "$log"; then
        fail 3 "$what failed: not everything could be downloaded; check the network and the mirrors that apt and pip are set to, then run ./lab again (log: $log)."
    fi
    last=$(grep -E '^(E|ERROR|Error): ' "$log" | tail -n 1)
    fail 3 "$what failed: ${last:-$(tail -n 1 "$log")} (log: $log)."
}

# Sets python to the real path of a Python >= 3.11, or to nothing; version and has_venv with it.
find_python() {
    local candidate answer
    python=
    for candidate in ${LABGRADER_PYTHON:+"$LABGRADER_PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
        command -v -- "$candidate" >/dev/null || continue
        # -I: nothing is imported from where the user stands. The real path: .venv must notice that it went away.
        answer=$("$candidate" -I -c '
import os, sys, ssl, zlib, sqlite3
from importlib.util import find_spec
if sys.version_info >= (3, 11):
    print(int(bool(find_spec("venv") and find_spec("ensurepip"))), "%d.%d.%d" % sys.version_info[:3],
          os.path.realpath(sys._base_executable))' 2>/dev/null) || continue
        [[ -n $answer ]] || continue
        if [[ -z $python || $answer == 1* ]]; then
            read -r has_venv version python <<<"$answer"
            [[ $has_venv == 1 ]] && return
        fi
        [[ $candidate == "${LABGRADER_PYTHON:-}" ]] && return
    done
}

listing() { # a b c -> a, b and c
    local text=$1
    shift
    while [[ $# -gt 1 ]]; do text+=", $1"; shift; done
    printf '%s' "$text${1:+ and $1}"
}

apt_install() { # PACKAGE…
    local log=${TMPDIR:-/tmp} as=() line
    local install=(apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@")
    line="apt-get update && apt-get install -y --no-install-recommends $*"
    if ! command -v apt-get >/dev/null; then
        fail 2 "this machine lacks what the Debian packages $(listing "$@") hold; install them with its own package manager and run ./lab again."
    fi
    if [[ $EUID != 0 ]]; then
        if command -v sudo >/dev/null; then
            sudo -n true 2>/dev/null </dev/null || fail 2 "$(listing "$@") must be installed once; paste this, then run ./lab again:  sudo sh -c '$line'"
            as=(sudo -n)
        else
            fail 2 "$(listing "$@") must be installed once; paste this, then run ./lab again:  su -c '$line'"
        fi
    fi
    as+=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C)
    log=$(mktemp "$log/labgrader-apt.XXXXXX") || fail 3 "no temporary file can be made in $log; is the disk full?"
    say "Installing $(listing "$@") with apt-get…"
    if compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null && "${as[@]}" "${install[@]}" </dev/null >"$log" 2>&1; then
        rm -f "$log"
        return
    fi
    say "Fetching apt's package lists first…"
    # An update may fail for one source of many: what counts is whether the installation then works.
    "${as[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update </dev/null >>"$log" 2>&1
    if "${as[@]}" "${install[@]}" </dev/null >>"$log" 2>&1; then
        rm -f "$log"
        return
    fi
    explain "Installing $(listing "$@") with apt-get" "$log"
}

# Takes the one lock of this virtual environment. The lock file also says that the directory is ours to empty.
take_lock() {
    local file=$venv/labgrader.lock
    while :; do
        if [[ -d $venv && ! -e $file && -n $(ls -A -- "$venv") ]]; then
            fail 2 "$venv is there but was not made by ./lab; remove it, or name another place with LABGRADER_VENV=DIRECTORY."
        fi
        mkdir -p -- "$venv" 2>/dev/null || fail 2 "the directory $venv cannot be made; name a place that you may write to with LABGRADER_VENV=DIRECTORY."
        { exec 9>>"$file"; } 2>/dev/null || fail 2 "$venv cannot be written to; name another place with LABGRADER_VENV=DIRECTORY."
        if ! flock -n 9; then
            say "Another ./lab is setting up $venv; waiting for it…"
            flock 9
        fi
        [[ /proc/self/fd/9 -ef $file ]] && return
    done
}

make_venv() {
    local log=$venv/labgrader.log
    find "$venv" -mindepth 1 -maxdepth 1 ! -name labgrader.lock -exec rm -rf {} +
    "$python" -I -m venv -- "$venv" >"$log" 2>&1 </dev/null || explain "Making $venv with $python" "$log"
    compgen -G "$venv/lib/python3.*/site-packages" >/dev/null || fail 3 "$python made a virtual environment without site-packages in $venv."
}

fill() { # NAME
    local log=$venv/labgrader.log count
    mark_of "$1"
    count=$(grep -c '^[A-Za-z]' "$lock")
    say "Installing up to $count Python packages into $venv (once; half a minute or so)…"
    PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
        "$venv/bin/python" -I -m pip install --require-hashes --no-deps -r "$lock" >"$log" 2>&1 </dev/null \
        || explain "Installing the Python packages of ${lock##*/}" "$log"
    mark_of "$1"
    printf '%s\npython %s %s\n' "$mark" "${version:-}" "${python:-}" >"$venv/labgrader.new" \
        && mv -f "$venv/labgrader.new" "$venv/labgrader.$1" || explain "Finishing $venv" "$log"
}

set_up() {
    local name owner
    if ! stamped "$venv" runtime; then
        if [[ -n ${LABGRADER_PYTHON:-} ]] && ! command -v -- "$LABGRADER_PYTHON" >/dev/null; then
            fail 2 "there is no program $LABGRADER_PYTHON, which LABGRADER_PYTHON names; name a Python 3.11 or newer, or unset it."
        fi
        find_python
        if [[ -z $python ]]; then
            if command -v python3 >/dev/null || [[ -n ${LABGRADER_PYTHON:-} ]]; then
                fail 2 "no Python 3.11 or newer with ssl and sqlite3 was found (python3 is $(python3 -V 2>&1 | tail -n 1)); install one, and name it with LABGRADER_PYTHON=/path/to/python3 if it is not on PATH."
            fi
            apt_install python3 python3-venv
            find_python
            [[ -n $python ]] || fail 2 "apt's python3 is older than 3.11; install a newer one and name it with LABGRADER_PYTHON=/path/to/python3."
        fi
        if [[ $has_venv != 1 ]]; then
            [[ $python == /usr/bin/* ]] || fail 2 "$python has no venv or ensurepip module; install a whole Python 3.11 or newer and name it with LABGRADER_PYTHON=/path/to/python3."
            system=("python${version%.*}-venv" "${system[@]}")
        fi
    fi
    [[ ${#system[@]} == 0 ]] || apt_install "${system[@]}"
    complete "$venv" && return

    take_lock
    if ! stamped "$venv" runtime; then # it may have come while we waited
        make_venv
        printf '%s\n' "$root/src" >"$(compgen -G "$venv/lib/python3.*/site-packages")/labgrader.pth"
    fi
    for name in "${stamps[@]}"; do
        stamped "$venv" "$name" || fill "$name"
    done
    # After `sudo ./lab` in somebody's checkout, its owner must be able to renew or remove .venv.
    if [[ $EUID == 0 && $venv == "$root"/.venv && ! -O $root ]]; then
        chown -R --reference="$root" -- "$venv"
    fi
    exec 9>&-
    say "Ready."
}
