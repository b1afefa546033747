"""Which of a machine's apt entries the hosts' image is built from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from labgrader.errors import LabError
from labgrader.providers.netns import apt_sources

UBUNTU = """\
# See sources.list(5).
Types: deb
URIs: http://archive.ubuntu.com/ubuntu/
Suites: noble noble-updates noble-backports
Components: main restricted universe multiverse
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

# security
Types: deb deb-src
URIs: http://security.ubuntu.com/ubuntu/
Suites: noble-security
Components: main
  universe
# a comment amidst
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
"""
PPA = """\
Types: deb
URIs: https://ppa.launchpadcontent.net/deadsnakes/ppa/ubuntu/
Suites: noble
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBFl8fYEBEADQmGZ6pDrwY9iH9DVlwNwTOvOZ7q7lHXPl
 -----END PGP PUBLIC KEY BLOCK-----
"""
KEYRING = "/usr/share/keyrings/ubuntu-archive-keyring.gpg"


def make(folder: Path, **files: str) -> Path:
    (folder / "sources.list.d").mkdir()
    for name, content in files.items():
        path = re.sub("_(list|sources|save)$", r".\1", name)
        (folder / ("" if path == "sources.list" else "sources.list.d") / path).write_text(content)
    return folder


def test_deb822_of_ubuntu(tmp_path: Path) -> None:
    said = apt_sources.text(make(tmp_path, ubuntu_sources=UBUNTU, deadsnakes_sources=PPA), "noble")

    archive = f"deb [signed-by={KEYRING}] http://archive.ubuntu.com/ubuntu/"
    assert said.splitlines() == [
        f"{archive} noble main restricted universe multiverse",
        f"{archive} noble-updates main restricted universe multiverse",
        f"deb [signed-by={KEYRING}] http://security.ubuntu.com/ubuntu/ noble-security main universe",
    ]


def test_one_line_entries_of_debian(tmp_path: Path) -> None:
    content = """\
deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 DVD]/ bookworm contrib main non-free-firmware
# deb http://old.example/debian bookworm main
deb http://deb.debian.org/debian bookworm main contrib # the usual one
deb-src http://deb.debian.org/debian bookworm main
\tdeb [ signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://a.example/ bookworm-updates main
deb http://security.debian.org/debian-security bookworm-security main
deb http://deb.debian.org/debian bookworm-backports main
deb http://deb.debian.org/debian trixie main
deb http://deb.debian.org/debian bookworm contrib
deb http://deb.debian.org/debian
"""
    said = apt_sources.text(make(tmp_path, sources_list=content), "bookworm").splitlines()

    assert said[0].startswith("deb http://deb.debian.org/debian bookworm main contrib")
    assert len(said) == 3
    assert "a.example/ bookworm-updates main" in said[1]
    assert said[2] == "deb http://security.debian.org/debian-security bookworm-security main"


@pytest.mark.parametrize(
    "entry",
    [
        "deb [signed-by=/etc/apt/keyrings/ms.gpg] https://packages.microsoft.com/debian bookworm main",
        "deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bookworm main",
        "deb https://download.docker.com/linux/debian bookworm stable",
        "deb http://ppa.launchpad.net/deadsnakes/ppa/ubuntu bookworm main",
        "deb http://apt.postgresql.org/pub/repos/apt bookworm-pgdg main",
        "deb https://packages.cloud.google.com/apt cloud-sdk-bookworm main",
        "deb https://example.com/flat ./",
    ],
)
def test_third_party_entries_are_left_out(tmp_path: Path, entry: str) -> None:
    own = "deb http://deb.debian.org/debian bookworm main"
    assert apt_sources.text(make(tmp_path, sources_list=own, other_list=entry), "bookworm") == own + "\n"


@pytest.mark.parametrize("word", ["no", "No", "false", "off", "0"])
def test_disabled_entries_are_left_out(tmp_path: Path, word: str) -> None:
    disabled = (
        "Enabled: "
        + word
        + "\nTypes: deb\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\n"
    )
    enabled = disabled.replace(word, "yes", 1).replace("a.example", "b.example")

    said = apt_sources.text(make(tmp_path, debian_sources=disabled + "\n \n" + enabled), "bookworm")

    assert said == "deb http://b.example/debian bookworm main\n"


def test_what_reaching_a_mirror_takes_is_kept(tmp_path: Path) -> None:
    where = "Types: deb\nURIs: file:/srv/debian\nSuites: bookworm\nComponents: main\n"
    stanza = where + "Trusted: yes\nCheck-Valid-Until: no\n"
    said = apt_sources.text(make(tmp_path, local_sources=stanza), "bookworm")
    assert said == "deb [trusted=yes check-valid-until=no] file:/srv/debian bookworm main\n"


def test_other_files_are_not_read(tmp_path: Path) -> None:
    folder = make(
        tmp_path, old_save="deb http://deb.debian.org/debian bookworm main", debian_list="\xff\x00nonsense"
    )
    (folder / "sources.list.d" / "folder.list").mkdir()
    with pytest.raises(LabError, match=r"names no archive of bookworm with component main"):
        apt_sources.text(folder, "bookworm")


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, "bookworm"),
        (
            {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_CODENAME": "noble", "UBUNTU_CODENAME": "noble"},
            "noble",
        ),
        (
            {
                "ID": "linuxmint",
                "ID_LIKE": "ubuntu debian",
                "VERSION_CODENAME": "wilma",
                "UBUNTU_CODENAME": "noble",
            },
            "noble",
        ),
        (
            {
                "ID": "linuxmint",
                "ID_LIKE": "debian",
                "VERSION_CODENAME": "faye",
                "DEBIAN_CODENAME": "bookworm",
            },
            "bookworm",
        ),
    ],
)
def test_code_name_is_the_archive_s(release: dict[str, str], name: str) -> None:
    assert apt_sources.code_name(release) == name


@pytest.mark.parametrize(
    "release",
    [{"ID": "fedora", "PRETTY_NAME": "Fedora Linux 41"}, {}, {"ID": "debian"}, {"ID": "arch", "ID_LIKE": ""}],
)
def test_other_systems_are_told(release: dict[str, str]) -> None:
    with pytest.raises(LabError, match="is made of Debian packages"):
        apt_sources.code_name(release)


def test_apt_itself_reads_what_we_wrote(tmp_path: Path) -> None:
    """apt takes the lines for the very archives that it was given in the other format."""
    said = apt_sources.text(make(tmp_path, ubuntu_sources=UBUNTU), "noble")
    written = tmp_path / "written"
    make_etc = written / "sources.list.d"
    make_etc.mkdir(parents=True)
    (written / "sources.list").write_text(said)

    (tmp_path / "lists" / "partial").mkdir(parents=True)

    def asked_for(folder: Path) -> set[str]:
        options = [f"-oDir::Etc={folder}", "-oDir::Etc::parts=none", f"-oDir::State::lists={tmp_path}/lists"]
        argv = ["apt-get", "update", "--print-uris", *options]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        uris = {line.split()[0] for line in done.stdout.splitlines()}
        return {uri for uri in uris if "backports" not in uri and "/source/" not in uri}

    assert asked_for(written) == asked_for(tmp_path)
    assert len(asked_for(written)) >= 3
