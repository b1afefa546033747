"""machine_readable: what Vagrant writes is read back whole, and nothing that it writes is an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader.providers.vagrant import machine_readable as mr
from labgrader.providers.vagrant.machine_readable import Line, SshHost

# As Vagrant 2.3.4 with vagrant-libvirt 0.11.2 printed it.
STATUS = """\
1795477381,v0,metadata,provider,libvirt
1795477381,v0,provider-name,libvirt
1795477381,v0,state,not_created
1795477381,v0,state-human-long,The Libvirt domain is not created. Run `vagrant up` to create it.
1795477381,v1,state,running
1795477381,,ui,info,Current machine states:\\n\\nv0  running\\n\\nFor a specific\\nVM%!(VAGRANT_COMMA) run it.
"""
FAILED = """\
1795477373,v0,action,up,start
1795477373,v0,ui,error,==> v0: An error occurred. The error will be shown after all tasks complete.
1795477373,,error-exit,Vagrant::Errors::BatchMultiError,An error occurred\\nwhile%!(VAGRANT_COMMA) well.
"""
# What the source makes of it (plugins/commands/snapshot/command/list.rb).
SNAPSHOTS = """\
1795477383,v0,ui,output,
1795477383,v0,ui,output,==> v0: 
1795477383,v0,ui,detail,ready
1795477383,v0,ui,detail,before: lunch
1795477383,v1,ui,info,==> v1: VM not created. Moving on...
1795477383,v2,ui,output,==> v2: No snapshots have been taken yet!
1795477383,v2,ui,detail,    v2: You can take a snapshot using `vagrant snapshot save`.
"""  # noqa: W291
SSH = """\
Host v0
  HostName 10.121.0.11
  User root
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "/home/a student/.ssh/key"
  IdentityFile /home/b/key
  IdentitiesOnly yes
  LogLevel FATAL

Host v1
  HostName 127.0.0.1
  User vagrant
  Port 2201
  IdentityFile /home/b/key
"""


def written(target: str, kind: str, data: list[str]) -> str:
    """A line as lib/vagrant/ui.rb writes it."""
    fields = [x.replace(",", mr.COMMA).replace("\n", "\\n").replace("\r", "\\r") for x in data]
    return f"1795477381,{target},{kind},{','.join(fields)}"


def test_states_are_read() -> None:
    assert mr.states(mr.lines(STATUS)) == {"v0": "not_created", "v1": "running"}


def test_commas_and_newlines_are_undone() -> None:
    text = mr.said(mr.lines(STATUS))[0]
    assert (text.target, text.level) == ("", "info")
    assert text.text.endswith("\n\nFor a specific\nVM, run it.")


def test_the_error_is_read_with_its_class() -> None:
    told = mr.failure(mr.lines(FAILED))
    assert told == mr.Failure("Vagrant::Errors::BatchMultiError", "An error occurred\nwhile, well.")
    assert mr.failure(mr.lines(STATUS)) is None


def test_a_text_is_told_without_the_mark_of_its_machine() -> None:
    assert mr.said(mr.lines(FAILED)) == [
        mr.Said("v0", "error", "An error occurred. The error will be shown after all tasks complete.")
    ]
    many = mr.line("1795477383,v0,ui,detail,    v0: SSH address: 127.0.0.1:2222\\n    v0: more")
    assert mr.said([many])[0].text == "SSH address: 127.0.0.1:2222\nmore"


def test_snapshots_are_read_for_each_machine() -> None:
    assert mr.snapshots(mr.lines(SNAPSHOTS)) == {"v0": ("ready", "before: lunch"), "v2": ()}


def test_lines_of_other_programs_are_kept_as_they_are() -> None:
    text = "Host v0\n1,2,3\n1795477381,v0\n1795477381,,state\nmake: *** [all] Error 1,2,3\n"
    assert mr.lines(text) == [
        Line("", ("Host v0",)),
        Line("", ("1,2,3",)),
        Line("", ("1795477381,v0",)),
        Line("state", (), "", 1795477381),
        Line("", ("make: *** [all] Error 1,2,3",)),
    ]
    assert mr.plain(mr.lines(text)).splitlines()[0] == "Host v0"
    assert mr.states(mr.lines(text)) == {}


def test_an_empty_text_has_no_lines() -> None:
    assert mr.lines("") == []


def test_ssh_configuration_is_read_with_its_quotes() -> None:
    assert mr.ssh_config(SSH) == [
        SshHost("v0", "10.121.0.11", 22, "root", ("/home/a student/.ssh/key", "/home/b/key")),
        SshHost("v1", "127.0.0.1", 2201, "vagrant", ("/home/b/key",)),
    ]


@pytest.mark.parametrize("port", ["", "no", "-1", "999999", "２２"])
def test_a_port_that_is_none_is_ssh_s_own(port: str) -> None:
    assert mr.ssh_config(f"warning: noise\nHost v0\n  Port {port}\n") == [SshHost("v0", "v0", 22, "")]


TARGET = st.from_regex(r"[a-z][a-z0-9-]{0,8}|", fullmatch=True)
KIND = st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True)
# What Vagrant itself cannot write without loss: it does not mark a backslash that was there before.
FIELD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: "\\n" not in text and "\\r" not in text and mr.COMMA not in text
)


@given(TARGET, KIND, st.lists(FIELD, min_size=1, max_size=4))
def test_what_vagrant_writes_is_read_back(target: str, kind: str, data: list[str]) -> None:
    assert mr.line(written(target, kind, data)) == Line(kind, tuple(data), target, 1795477381)


@given(st.text(st.characters(), max_size=300))
def test_no_text_is_an_exception_and_nothing_is_lost(text: str) -> None:
    told = mr.lines(text)
    assert len(told) == (text.removesuffix("\n").count("\n") + 1 if text else 0)
    for reader in (mr.states, mr.failure, mr.said, mr.snapshots, mr.plain):
        reader(told)
    mr.ssh_config(text)


@given(st.lists(st.text(st.sampled_from("Hh ost\"\\\n'#Port12 "), max_size=30)))
def test_no_ssh_configuration_is_an_exception(texts: list[str]) -> None:
    mr.ssh_config("\n".join(["Host v0", *texts]))
