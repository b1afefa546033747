#!/usr/bin/env bash
# The least that checking one tcp_server.py costs on this machine: the same two hosts over the same image, the
# same mounts, an sshd that answers on each, the same addresses, the same eight starts of the server and the same
# six conversations, and the tear-down; by a bare script that knows all of this by heart.
#
#   floor.sh [IMAGE [SERVER.PY]]    IMAGE: a directory …/rootfs of ~/.cache/labgrader/images (default: the newest)
#
# Prints the seconds from its start to the end of the tear-down. Exit status 1 with a sentence when anything of it
# did not happen. Works as root and as an ordinary user.
# What it leaves out is in docs/decisions/0005-what-the-benchmark-measures.md.
set -euo pipefail
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
begun=$EPOCHREALTIME

here=$(cd -P -- "${BASH_SOURCE[0]%/*}" && pwd)
image=${1:-$(ls -td -- "${XDG_CACHE_HOME:-$HOME/.cache}"/labgrader/images/*/rootfs | head -n 1)}
server=${2:-$here/../labs/tcp-server/reference/tcp_server.py}

die() { printf 'floor: %s\n' "$*" >&2; exit 1; }

# One host's PID 1: a shell that does what the lab tells it, a line at a time.
serve() {
    ssh-keygen -q -t ed25519 -N '' -f /run/key
    /usr/sbin/sshd -D -e -h /run/key -p 22 -o PidFile=none -o UsePAM=no -f /dev/null 2>/run/sshd.log &
    mkfifo /run/never # bash has no sleep of its own; nobody writes to this
    exec 8<>/run/never
    while ! { exec 9<>/dev/tcp/127.0.0.1/22; } 2>/dev/null; do pause; done
    IFS= read -r banner <&9
    exec 9>&-
    [[ $banner == SSH-2.0-* ]]
    printf 'up\n'
    while read -r command words; do "$command" $words; done
}

pause() { read -rt 0.002 <&8 || true; }

start() { # the server, on a terminal of nobody's; answers when the kernel shows that it listens
    (cd /home/student && exec setpriv --reuid=student --regid=student --clear-groups --reset-env \
        env PYTHONUNBUFFERED=1 LANG=C.UTF-8 python3 tcp_server.py) >/run/printed 2>&1 &
    program=$!
    local sockets=
    until [[ $sockets == *':2BC0 00000000:0000 0A '* ]]; do
        pause
        kill -0 "$program" 2>/dev/null || { printf 'ended\n'; return; }
        read -rd '' sockets </proc/net/tcp || true
    done
    printf 'listens\n'
}

stop() { # kill what may still run, and show what it printed
    kill -9 "$program" 2>/dev/null || true
    wait "$program" 2>/dev/null || true
    printf '%s\n' "$(tr '\n' ' ' </run/printed)"
}

talk() { # ADDRESS TOKEN: send a line, wait for the end of the stream
    exec 9<>"/dev/tcp/$1/11200"
    printf 'hello %s\r\n' "$2" >&9
    cat <&9 >/dev/null
    exec 9>&-
    printf 'closed\n'
}

# From a process in fresh namespaces to `serve` on a root file system of its own.
host() { # NAME HOSTNAME ADDRESS/INTERFACE…
    local root=/tmp/$1/root name=$2
    printf 'ready\n'
    read -r _
    hostname "$name"
    mount --make-rprivate /
    mount --bind "$root" "$root"
    cat >"/tmp/$1/fstab" <<MOUNTS
proc $root/proc proc nosuid,nodev,noexec
sysfs $root/sys sysfs nosuid,nodev,noexec,ro,nofail
tmpfs $root/dev tmpfs nosuid,size=64k,mode=755
tmpfs $root/run tmpfs nosuid,nodev,size=16m,mode=755
tmpfs $root/tmp tmpfs nosuid,nodev,size=32m,mode=1777
tmpfs $root/var/tmp tmpfs nosuid,nodev,size=32m,mode=1777
tmpfs $root/home/student tmpfs nosuid,nodev,size=32m,mode=755,uid=1001,gid=1001
tmpfs $root/home/lisi tmpfs nosuid,nodev,size=32m,mode=755,uid=1002,gid=1002
MOUNTS
    mount -a -T "/tmp/$1/fstab"
    mkdir "$root"/dev/{pts,shm} "$root"/run/{lock,sshd}
    touch "$root"/dev/{null,zero,full,random,urandom,tty}
    ln -s pts/ptmx "$root/dev/ptmx"
    cat >"/tmp/$1/fstab" <<MOUNTS
/dev/null $root/dev/null none bind
/dev/zero $root/dev/zero none bind
/dev/full $root/dev/full none bind
/dev/random $root/dev/random none bind
/dev/urandom $root/dev/urandom none bind
/dev/tty $root/dev/tty none bind
devpts $root/dev/pts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=620,gid=5
tmpfs $root/dev/shm tmpfs nosuid,nodev,size=32m
tmpfs $root/run/lock tmpfs nosuid,nodev,size=32m
MOUNTS
    mount -a -T "/tmp/$1/fstab"
    [[ $1 != v0 ]] || cat <&7 >"$root/home/student/tcp_server.py"
    {
        printf 'link set lo up\n'
        for pair in "${@:3}"; do printf 'addr add %s dev %s\nlink set %s up\n' "${pair%@*}" "${pair#*@}" "${pair#*@}"; done
    } | ip -batch -
    cd "$root"
    pivot_root . .
    umount -l .
    exec /bin/bash -c "set -eu; $(declare -f serve pause start stop talk); serve"
}

# The lab's PID 1, in a user, mount, network, pid, ipc and uts namespace of its own, standing in the image.
lab() {
    mount --make-rprivate /
    mount -t proc proc /proc
    mount -t tmpfs -o size=1m,mode=755 tmpfs /tmp
    local name pid
    declare -A pids
    for name in v0 v1; do
        mkdir "/tmp/$name"
        mount -t tmpfs -o size=128m tmpfs "/tmp/$name"
        mkdir "/tmp/$name"/{upper,work,root}
        mount -t overlay -o "nodev,lowerdir=.,upperdir=/tmp/$name/upper,workdir=/tmp/$name/work,userxattr" \
            overlay "/tmp/$name/root"
        mkfifo "/tmp/$name/in" "/tmp/$name/out"
    done
    exec 3<>/tmp/v0/in 4<>/tmp/v0/out 5<>/tmp/v1/in 6<>/tmp/v1/out
    local inside; inside="set -eu; $(declare -f host serve pause start stop talk); host"
    unshare --user sleep infinity & local owner0=$!
    unshare --user sleep infinity & local owner1=$!
    for pid in "$owner0" "$owner1"; do map "$pid" 0; done
    nsenter --user="/proc/$owner0/ns/user" unshare --mount --net --pid --ipc --uts --cgroup --fork \
        bash -c "$inside v0 V0 192.168.0.10/24@eth0 192.168.1.10/24@eth1" <&3 >&4 & pids[v0]=$!
    nsenter --user="/proc/$owner1/ns/user" unshare --mount --net --pid --ipc --uts --cgroup --fork \
        bash -c "$inside v1 V1 192.168.1.11/24@eth1" <&5 >&6 & pids[v1]=$!
    expect 4 ready
    expect 6 ready
    ip -batch - <<LINKS
link set lo up
link add br0 type bridge
link set br0 up
link add br1 type bridge
link set br1 up
link add p0 type veth peer name eth0 netns ${pids[v0]}
link set p0 master br0 up
link add p1 type veth peer name eth1 netns ${pids[v0]}
link set p1 master br1 up
link add p2 type veth peer name eth1 netns ${pids[v1]}
link set p2 master br1 up
LINKS
    printf '\n' >&3
    printf '\n' >&5
    expect 4 up
    expect 6 up
    checks
}

checks() {
    local token
    round                                                   # starts
    round 3 4 192.168.0.10                                # reachable_on_eth0
    for _ in from_v1 address message closes; do round 5 6 192.168.1.10; done
    round 5 6 192.168.1.10                                # port_reusable, and once more:
    round
}

round() { # [IN OUT ADDRESS]: start the server, talk to it from a host, stop it
    printf 'start\n' >&3
    expect 4 listens
    if [[ $# == 0 ]]; then
        printf 'stop\n' >&3
        expect 4 ''
        return
    fi
    token=$EPOCHREALTIME
    printf 'talk %s %s\n' "$3" "$token" >&"$1"
    expect "$2" closed
    printf 'stop\n' >&3
    expect 4 "$token"
}

expect() { # FD TEXT: the next line of a host must hold it
    local line
    IFS= read -rt 20 line <&"$1" || die "no answer within 20 s; '$2' was expected"
    [[ $line == *"$2"* ]] || die "'$2' was expected and '$line' came"
}

map() { # PID BASE: give the user namespace of a process its ids, once it has it
    until [[ ! /proc/$1/ns/user -ef /proc/self/ns/user ]]; do :; done
    if [[ $EUID == 0 ]]; then
        printf '0 %s 65536' "$2" >"/proc/$1/uid_map"
        printf '0 %s 65536' "${3:-$2}" >"/proc/$1/gid_map"
    else
        newuidmap "$1" 0 "$2" 65536
        newgidmap "$1" 0 "${3:-$2}" 65536
    fi
}

[[ -d $image ]] || die "there is no image $image; ./lab check makes one"
exec 7<"$server"
cd -- "$image"
unshare --user sleep infinity &
owner=$!
disown # or bash would tell of its death
trap 'kill -9 "$owner"' EXIT
map "$owner" "$(stat -c %u .)" "$(stat -c %g .)"
nsenter --user="/proc/$owner/ns/user" unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child \
    bash -c "set -euo pipefail; $(declare -f lab checks round expect map die host serve pause start stop talk); lab"
trap - EXIT
kill -9 "$owner"
ended=$EPOCHREALTIME
printf '%d.%06d\n' $(((${ended/./} - ${begun/./}) / 1000000)) $(((${ended/./} - ${begun/./}) % 1000000))
