"""Where an ordinary user may write on a host, and putting those places back as they were handed out.

Every start of a student's program is a fresh one: nothing that an earlier start wrote is there, and
the files that were handed in are, byte for byte.
"""

import errno
import os
import pwd
import stat
import time

SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")
REMOVE_S = 10.0
_kept = {}


def keep(path):
    """Remember a regular file as it is now, to be put back by `restore`."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        seen = os.fstat(handle)
        _kept[path] = (file.read(), stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)


def restore(user):
    """Empty the user's home and what is his in the shared places, then write the kept files again."""
    account = pwd.getpwnam(user)
    seen = os.stat(account.pw_dir)
    if (seen.st_uid, seen.st_gid) != (account.pw_uid, account.pw_gid):
        os.chown(account.pw_dir, account.pw_uid, account.pw_gid)
    os.chmod(account.pw_dir, 0o750)
    for folder in (account.pw_dir, *SHARED):
        if os.path.isdir(folder):
            _empty(folder, None if folder == account.pw_dir else account.pw_uid)
    for path, (content, mode, uid, gid) in _kept.items():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)


def _empty(folder, uid):
    """Remove what is in `folder`: all of it, or what is `uid`'s there.

    A folder inside another one is first moved up to `folder`, so that neither the depth of a tree nor the
    length of its path matters, and everything is reached by an open folder and a plain name: a link is
    removed and never followed, even one that is put in a folder's place meanwhile.
    """
    deadline = time.monotonic() + REMOVE_S
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        waiting = [name for name in os.listdir(top) if uid is None or _owner(name, top) == uid]
        mark = os.urandom(8).hex()
        count = 0
        while waiting:
            name = waiting.pop()
            if time.monotonic() > deadline:
                raise OSError("%s could not be emptied within %d s" % (folder, REMOVE_S))
            if _unlink(name, top):
                continue
            try:
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                waiting.append(name)  # somebody still changes what is there
                continue
            try:
                for child in os.listdir(inner):
                    if not _unlink(child, inner):
                        count += 1
                        fresh = ".%s-%d" % (mark, count)
                        os.rename(child, fresh, src_dir_fd=inner, dst_dir_fd=top)
                        waiting.append(fresh)
                os.rmdir(name, dir_fd=top)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
                waiting.insert(0, name)
            finally:
                os.close(inner)
    finally:
        os.close(top)


def _owner(name, folder):
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid
    except FileNotFoundError:
        return None


def _unlink(name, folder):
    """Remove anything but a folder; whether it is gone."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        return False
    return True
