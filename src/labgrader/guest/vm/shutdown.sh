#!/bin/sh
# poweroff, halt, reboot and shutdown: asks the machine's first process; whatever the delay, it is now.
again=no
case "$0" in *reboot) again=yes ;; esac
for word in "$@"; do
    case "$word" in -r | --reboot) again=yes ;; esac
done
read -r first < /proc/1/comm
case "$first/$again" in
    systemd/no) exec kill -s RTMIN+4 1 ;; # until a machine that had systemd is started again
    systemd/yes) exec kill -s RTMIN+5 1 ;;
    */no) exec kill -s USR2 1 ;;
    */yes) exec kill -s TERM 1 ;;
esac
