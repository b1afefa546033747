"""What prepares a virtual machine: run in it as root, once, from an unpacked copy of the guest folder."""
