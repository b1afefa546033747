"""The guest contract: what makes a lab host look like the RHEL-7-family host of the course.

``lib`` is installed at /usr/lib/labgrader in the guest, ``rootfs`` is copied over its root as it stands,
and ``install.py`` is then run once inside it. Code in ``lib`` runs in the guest: standard library only,
Python 3.6.
"""
