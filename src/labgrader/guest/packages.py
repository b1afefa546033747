"""The Debian packages of the image that lab hosts share."""

PACKAGES: tuple[str, ...] = (
    "openssh-server",
    "bind9",
    "bind9-dnsutils",
    "dns-root-data",
    "xinetd",
    "inetutils-telnetd",
    "inetutils-telnet",
    "iproute2",
    "iputils-ping",
    "net-tools",
    "tcpdump",
    "python3",
    "dnsmasq-base",
    "sudo",
    "isc-dhcp-client",
    "libfaketime",
    "procps",
)
