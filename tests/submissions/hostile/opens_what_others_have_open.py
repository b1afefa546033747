# expect: score=100
# Root's open files, memory, roots and environments, by way of /proc.
import glob
import os
import socket

for path in sorted(glob.glob("/proc/[0-9]*")):
    try:
        if int(open(path + "/status").read().split("Uid:")[1].split()[0]) == os.getuid():
            continue
    except (OSError, IndexError):
        continue
    for name in ("fd", "map_files", "task", "root/etc", "cwd"):
        try:
            for item in os.listdir("%s/%s" % (path, name)):
                if name in ("fd", "map_files"):
                    raise SystemExit("GOT %s" % os.readlink("%s/%s/%s" % (path, name, item)))
        except OSError:
            pass
    for name in ("environ", "mem", "maps", "stack", "syscall", "auxv", "io", "personality"):
        try:
            if open("%s/%s" % (path, name), "rb").read(64):
                raise SystemExit("GOT %s/%s" % (path, name))
        except (OSError, ValueError):
            pass
    for name in ("fd/0", "fd/3", "mem", "oom_score_adj", "comm", "clear_refs", "timerslack_ns", "attr/current"):
        try:
            handle = os.open("%s/%s" % (path, name), os.O_RDWR)
            # Some can be opened by anybody, and refuse when they are written.
            if name not in ("timerslack_ns", "attr/current") or os.write(handle, b"1"):
                raise SystemExit("GOT %s/%s" % (path, name))
        except OSError:
            pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
