"""The ifcfg parser against every form the course uses, and against a shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import ifcfg
import pytest
import shellwords
from hypothesis import given, settings
from hypothesis import strategies as st

COURSE_V0 = b"""NAME="eth0"
DEVICE="eth0"
ONBOOT=yes
NM_CONTROLLED="no"
TYPE=Ethernet
IPV6INIT=no
IPV4_FAILURE_FATAL="no"
BOOTPROTO="static"
IPADDR="192.168.0.10"
NETMASK="255.255.255.0"
GATEWAY="192.168.0.254"
"""
CLASSROOM = """DEVICE=eth0
BOOTPROTO=none
ONBOOT=yes     ##\u5f00\u542f
USERCTL=yes    # who may
PERSISTENT_DHCLIENT=1
IPADDR0=172.25.0.11   #address
PREFIX0=24
GATEWAY0=172.25.0.254
DNS1=172.25.254.254
DEFROUTE=yes
NAME="System eth0"
""".encode()


def read(data: bytes, name: str = "eth0") -> ifcfg.Interface:
    return ifcfg.read(data, "ifcfg-" + name, name)


def refusal(data: bytes) -> str:
    with pytest.raises(ifcfg.IfcfgError) as caught:
        read(data)
    return str(caught.value)


def test_the_course_file() -> None:
    found = read(COURSE_V0)
    assert found.device == "eth0" and found.onboot and found.protocol == "static"
    assert found.addresses == [("192.168.0.10", 24)] and found.gateway == "192.168.0.254"
    assert found.dns == [] and found.notes == []


def test_the_classroom_file() -> None:
    found = read(CLASSROOM)
    assert found.addresses == [("172.25.0.11", 24)] and found.gateway == "172.25.0.254"
    assert found.dns == ["172.25.254.254"] and found.persistent and found.notes == []


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("IPADDR=192.168.0.10\nNETMASK=255.255.255.0", [("192.168.0.10", 24)]),
        ("IPADDR=192.168.0.10\nPREFIX=25", [("192.168.0.10", 25)]),
        ("IPADDR='192.168.0.10'\nPREFIX=\"25\"", [("192.168.0.10", 25)]),
        ("IPADDR=192.168.0.10\nPREFIX=25\nNETMASK=255.255.0.0", [("192.168.0.10", 25)]),
        ("IPADDR=10.1.2.3", [("10.1.2.3", 8)]),
        ("IPADDR=172.25.0.11", [("172.25.0.11", 16)]),
        ("IPADDR=192.168.0.10", [("192.168.0.10", 24)]),
        ("IPADDR=1.1.1.1\nIPADDR=2.2.2.2\nPREFIX=24", [("2.2.2.2", 24)]),
        (
            "IPADDR=1.1.1.1\nPREFIX=24\nIPADDR0=2.2.2.2\nPREFIX0=16\nIPADDR1=3.3.3.3\nNETMASK1=255.0.0.0",
            [("1.1.1.1", 24), ("2.2.2.2", 16), ("3.3.3.3", 8)],
        ),
        (
            "IPADDR1=1.1.1.1\nPREFIX1=24\nIPADDR2=2.2.2.2\nPREFIX2=24\nIPADDR4=4.4.4.4\nPREFIX4=24",
            [("1.1.1.1", 24), ("2.2.2.2", 24)],
        ),
        ("IPADDR=1.1.1.1 PREFIX=24", [("1.1.1.1", 24)]),
        ("IPADDR=1.1.1.1; PREFIX=24", [("1.1.1.1", 24)]),
        ("export IPADDR=1.1.1.1 PREFIX=24", [("1.1.1.1", 24)]),
        ("IPADDR=1.1.\\\n1.1\nPREFIX=24", [("1.1.1.1", 24)]),
        ("  IPADDR=1.1.1.1\t# here\n\tPREFIX=24", [("1.1.1.1", 24)]),
        ("#IPADDR=1.1.1.1", []),
        ("BOOTPROTO=dhcp\nIPADDR=1.1.1.1", []),
        ("BOOTPROTO=\nIPADDR=1.1.1.1\nPREFIX=8", [("1.1.1.1", 8)]),
    ],
)
def test_addresses(text: str, addresses: list[tuple[str, int]]) -> None:
    assert read(text.encode()).addresses == addresses


@pytest.mark.parametrize(
    ("value", "protocol"),
    [
        ("none", "static"),
        ("static", "static"),
        ("", "static"),
        ("dhcp", "dhcp"),
        ("bootp", "dhcp"),
        ('"dhcp"', "dhcp"),
    ],
)
def test_boot_protocols(value: str, protocol: str) -> None:
    assert read(f"BOOTPROTO={value}\n".encode()).protocol == protocol


@pytest.mark.parametrize(
    ("value", "up"),
    [
        ("yes", True),
        ("no", False),
        ("NO", False),
        ("off", False),
        ("0", False),
        ("'no'", False),
        ("", True),
        ("on", True),
    ],
)
def test_onboot(value: str, up: bool) -> None:
    assert read(f"ONBOOT={value}\n".encode()).onboot is up


def test_the_device_is_the_files_where_none_is_written() -> None:
    assert read(b"IPADDR=1.1.1.1\n", "eth3").device == "eth3"
    assert read(b"DEVICE=eth1\n", "eth0").device == "eth1"


def test_a_gateway_elsewhere_is_told_and_not_used() -> None:
    found = read(b"IPADDR=192.168.0.10\nPREFIX=24\nGATEWAY=192.168.1.254\n")
    assert found.gateway is None
    assert "ifcfg-eth0:3: GATEWAY=192.168.1.254 is not in the network 192.168.0.0/24" in found.notes[0]


def test_defroute_no() -> None:
    assert read(b"IPADDR=1.1.1.1\nPREFIX=8\nGATEWAY=1.1.1.2\nDEFROUTE=no\n").gateway is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\nIPADDR=192.168.0.300\n", "ifcfg-eth0:2: IPADDR='192.168.0.300' is not an IPv4 address"),
        (b"IPADDR=192.168.010.1\n", "is not an IPv4 address"),
        (b"IPADDR=192.168.0.10\nPREFIX=33\n", ":2: PREFIX='33' is not a number from 1 to 32"),
        (b"IPADDR=192.168.0.10\nPREFIX=24x\n", ":2: PREFIX='24x'"),
        (b"IPADDR=192.168.0.10\nNETMASK=255.0.255.0\n", ":2: NETMASK=255.0.255.0 is not a netmask"),
        (b"IPADDR=192.168.0.10\nNETMASK=24\n", ":2: NETMASK='24' is not an IPv4 address"),
        (b"IPADDR=192.168.0.10\nPREFIX=24\nGATEWAY=gw\n", ":3: GATEWAY='gw' is not an IPv4 address"),
        (b"IPADDR=$(touch /tmp/pwned)\n", "commands in $(...) are not run"),
        (b"IPADDR=`id`\n", "commands in backquotes are not run"),
        (b'IPADDR="`a b`"\n', "commands in backquotes are not run"),
        (b"IPADDR=${X}\n", "shell variables are not expanded"),
        (b"IPADDR=1.2.3.4\\$X\n", "is not an IPv4 address"),
        (b"IPADDR=1.2.3.4&reboot\n", "an unquoted '&'"),
        (b"IPADDR='1.2.3.4\n", "ifcfg-eth0:1: a single quote is opened here and never closed"),
        (b'\nIPADDR="1.2.3.4\n', "ifcfg-eth0:2: a double quote is opened here and never closed"),
        (
            b"IPADDR=192.168.0.10\r\nNETMASK=255.255.255.0\r\n",
            ":1: IPADDR='192.168.0.10\\r' ends in a carriage return",
        ),
        (b"DEVICE=-force\n", "DEVICE='-force' is not a name"),
        (b"DEVICE='eth0 up'\n", "is not a name"),
        (b"DEVICE=../../x\n", "is not a name"),
        (b"DNS1=8.8.8\n", "DNS1='8.8.8' is not an IP address"),
        (b"MACADDR=1\n", "MACADDR='1' is not an Ethernet address"),
        (b"MTU=-1\n", "MTU='-1' is not a number"),
        (b"DOMAIN='-x a'\n", "DOMAIN='-x a'"),
        (b"IPADDR='\x1b[31m1.2.3.4'\n", "IPADDR='\\x1b[31m1.2.3.4'"),
    ],
)
def test_what_is_refused(data: bytes, sentence: str) -> None:
    said = refusal(data)
    assert sentence in said
    assert said.isprintable() or ("\n" in said and all(line.isprintable() for line in said.split("\n")))


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"\xef\xbb\xbfDEVICE=eth9\nIPADDR=1.1.1.1\n", ":1: the line begins with a UTF-8 byte order mark"),
        (b"IPADDR = 1.1.1.1\n", ":1: spaces around '='"),
        ("PEERDNS\uff1dyes\n".encode(), ":1: 'PEERDNS\\uff1dyes' has a full-width equals sign"),
        (b"NAME=System eth0\n", ":1: 'eth0' after a setting makes the line a command"),
        (b"rm -rf /\n", ":1: 'rm' is not KEY=VALUE"),
    ],
)
def test_lines_that_a_shell_would_run_are_told(data: bytes, note: str) -> None:
    found = read(data)
    assert note in found.notes[0] and found.device == "eth0"


def test_unknown_keys_are_ignored_whatever_they_hold() -> None:
    assert read(b"FOO=$(reboot)\nBAR=`reboot`\nIPADDR=1.1.1.1\nPREFIX=8\n").addresses == [("1.1.1.1", 8)]


def test_defaults_come_second() -> None:
    defaults = shellwords.parse("GATEWAY=1.1.1.9\nNOZEROCONF=yes\n", "network")[0]
    found = ifcfg.read(b"IPADDR=1.1.1.1\nPREFIX=8\n", "f", "eth0", defaults)
    assert found.gateway == "1.1.1.9" and not found.zeroconf


@given(st.binary(max_size=300))
def test_any_bytes_give_an_interface_or_sentences(data: bytes) -> None:
    try:
        said = read(data).notes
    except ifcfg.IfcfgError as error:
        said = error.problems
    assert all(sentence.isprintable() and sentence.endswith(".") for sentence in said)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_a_quoted_value_is_read_back(value: str) -> None:
    parsed, notes = shellwords.parse(f"KEY={shlex.quote(value)} # {'x'}\nEND=1\n", "f")
    assert parsed["KEY"].value == value and parsed["KEY"].problem is None and not notes
    assert parsed["END"].line == 2 + value.count("\n")


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet="AB=12 '\"#\\\n\t;", max_size=40))
def test_settings_are_those_that_a_shell_would_have(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """bash sources the same text (its letters name no command) and must end with the same values."""
    try:
        ours = {k: s.value for k, s in shellwords.parse(text, "f")[0].items()}
    except shellwords.ShellSyntaxError:
        return
    file = tmp_path_factory.mktemp("sh") / "f"
    file.write_text(text)
    show = 'for k in "${!A@}" "${!B@}"; do printf "%s=%s\\0" "$k" "${!k}"; done'
    script = f". {shlex.quote(str(file))} 2>/dev/null\n{show}"
    said = subprocess.run(
        [shutil.which("bash") or "bash", "--norc", "-c", script],
        env={"PATH": "/nonexistent"},
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=10,
    ).stdout
    theirs = dict(item.split("=", 1) for item in said.split("\0") if item and not item.startswith("BASH"))
    assert ours == theirs


def test_nothing_is_ever_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for text in (
        f"A=$(touch {mark})",
        f"A=`touch {mark}`",
        f"touch {mark}",
        f"A=1 touch {mark}",
        f"A=1>{mark}",
        f"A=<(touch {mark})",
        f'A="$(touch {mark})"',
        f"A=1 && touch {mark}",
    ):
        shellwords.parse(text + "\n", "f")
        assert not mark.exists()
