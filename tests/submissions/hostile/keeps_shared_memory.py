# expect: score=100
# Segments of System V outlive the program; the machine must not.
import ctypes
import socket

libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
libc.shmdt.argtypes = [ctypes.c_void_p]
left = len(open("/proc/sysvipc/shm").read().splitlines()) - 1
size = 4 << 20
made = 0
while made < 200:
    number = libc.shmget(0, size, 0o1600)
    if number < 0:
        break
    place = libc.shmat(number, None, 0)
    ctypes.memset(place, 1, size)
    libc.shmdt(place)
    made += 1
while made < 400 and libc.semget(0, 32000, 0o1600) >= 0:
    made += 1
print("left from before:", left, "made now:", made)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
