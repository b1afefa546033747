"""Moves a box's own accounts out of the way of the course's, whose numbers are part of the guest contract.

Boxes give Vagrant's account the first free number, 1000, which is lisi's. Had both of them the number, they
would be one user, and lisi could do what Vagrant's account may: everything. Python 3.6 syntax, standard
library only.
"""

import os

import contract

FIRST_FREE = 1100


def numbers(known):
    """{name: uid} of the accounts that people log in to, of install.py's list."""
    return {name: number for name, number, _, shell, _ in known if shell == "/bin/bash"}


def free(wanted, root="/"):
    """Give other numbers to accounts and groups that have one of `wanted` (name: number) under another name.

    root: where the system is. What runs as such an account goes on under its old number until it ends.
    """
    passwd, group = (os.path.join(root, "etc", name) for name in ("passwd", "group"))
    with open(passwd) as users, open(group) as groups:
        before = users.read(), groups.read()
    after, users, groups = moved(before[0], before[1], wanted)
    if after == before:
        return
    for home in _homes(before[0], users):
        _give(os.path.join(root, home.lstrip("/")), users, groups)
    contract.write(group, after[1])
    contract.write(passwd, after[0])


def moved(passwd, group, wanted):
    """((passwd, group) as they are to be, {old uid: new}, {old gid: new})."""
    rows = [line.split(":") for line in passwd.splitlines()]
    groups = [line.split(":") for line in group.splitlines()]
    numbers = {str(number) for number in wanted.values()}
    taken = {row[2] for row in rows + groups if len(row) > 2} | numbers
    fresh = {}
    for row in rows + groups:
        if len(row) > 2 and row[2] in numbers and row[0] not in wanted and row[2] not in fresh:
            fresh[row[2]] = next(str(n) for n in range(FIRST_FREE, 60000) if str(n) not in taken)
            taken.add(fresh[row[2]])
    users, gids = {}, {}
    for row in groups:
        if len(row) > 2 and row[0] not in wanted and row[2] in fresh:
            gids[int(row[2])] = int(fresh[row[2]])
            row[2] = fresh[row[2]]
    for row in rows:
        if len(row) < 7 or row[0] in wanted:
            continue
        if row[2] in fresh:
            users[int(row[2])] = int(fresh[row[2]])
            row[2] = fresh[row[2]]
        if row[3].isdigit() and int(row[3]) in gids:
            row[3] = str(gids[int(row[3])])
    return tuple("".join(":".join(row) + "\n" for row in kind) for kind in (rows, groups)), users, gids


def _homes(passwd, users):
    rows = [line.split(":") for line in passwd.splitlines()]
    found = {row[5] for row in rows if len(row) > 6 and row[2].isdigit() and int(row[2]) in users}
    return sorted(home for home in found if home.startswith("/home/"))


def _give(top, users, groups):
    """Let what is in a home belong to the new numbers; links are not followed."""
    paths = [top]
    for folder, names, files in os.walk(top):
        paths += [os.path.join(folder, name) for name in names + files]
    for path in paths:
        if os.path.lexists(path):
            seen = os.lstat(path)
            owner = users.get(seen.st_uid, seen.st_uid), groups.get(seen.st_gid, seen.st_gid)
            if owner != (seen.st_uid, seen.st_gid):
                os.lchown(path, *owner)
