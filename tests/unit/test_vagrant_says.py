"""vagrant_says: for each failure that people meet, in the words that it really comes in, one sentence."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labgrader.providers.vagrant.vagrant_says import sentence


def vboxmanage(command: str, *stderr: str) -> tuple[str, str]:
    """As Vagrant tells a VBoxManage that failed."""
    return "VBoxManageError", (
        "There was an error while executing `VBoxManage`, a CLI used by Vagrant\nfor controlling VirtualBox. "
        f"The command and stderr is shown below.\n\nCommand: {command}\n\nStderr: " + "\n".join(stderr) + "\n"
    )


LIBVIRT = "There was an error talking to Libvirt. The error message is shown\nbelow:\n\nCall to {} failed: {}"
DOWNLOAD = (
    "An error occurred while downloading the remote file. The error\nmessage, if any, is reproduced below. "
    "Please fix this error and try\nagain.\n\n"
)
BATCH = (
    "An error occurred while executing multiple actions in parallel.\nAny errors that occurred are shown "
    "below.\n\n"
)


@dataclass(frozen=True)
class Told:
    """A failure as it comes, and words of the cause and of the remedy that its sentence must have."""

    error: str
    message: str
    stderr: str
    says: tuple[str, ...]


def known() -> list[Told]:
    """The failures of vagrant_errors.yaml."""
    data = yaml.safe_load(Path(__file__).with_name("vagrant_errors.yaml").read_text(encoding="utf-8"))
    return [
        Told(item.get("error", ""), item.get("message", ""), item.get("stderr", ""), tuple(item["says"]))
        for item in data
    ]


def messages() -> list[str]:
    return [told.message or told.stderr for told in known()]


@pytest.mark.parametrize("told", known(), ids=lambda told: f"{told.error or 'stderr'}-{told.says[0][:30]}")
def test_a_failure_is_told_with_its_cause_and_its_remedy(told: Told) -> None:
    error = f"Vagrant::Errors::{told.error}" if told.error else ""
    said = sentence(error, told.message, ["", told.stderr], 1)
    assert [words for words in told.says if words not in said] == []
    assert_one_sentence(said)


@pytest.mark.parametrize(
    "told", [told for told in known() if told.message], ids=lambda told: f"{told.error}-{told.says[0][:30]}"
)
def test_it_is_told_the_same_of_several_machines_at_once(told: Told) -> None:
    parts = [
        f"An error occurred while executing the action on the '{name}'\nmachine. Please handle this error "
        f"then try again:\n\n{told.message}"
        for name in ("v0", "v1")
    ]
    said = sentence("Vagrant::Errors::BatchMultiError", BATCH + "\n\n".join(parts), [], 1, machine="v1")
    assert said.startswith("v0, v1: ")
    assert [words for words in told.says if words.removeprefix("v0: ") not in said] == []


def assert_one_sentence(said: str) -> None:
    assert "\n" not in said and "{" not in said and not said.endswith(".")
    assert len(said) < 500
    assert all(unicodedata.category(character) not in {"Cc", "Cf", "Cs"} for character in said)


def test_machines_that_failed_differently_are_told_each() -> None:
    message = BATCH + (
        "An error occurred while executing the action on the 'v0'\nmachine. Please handle this error then "
        "try again:\n\nName `a-v0` of domain about to create is already taken. Please try\n\n"
        "An unexpected error occurred when executing the action on the\n'v1' machine. Please report this "
        "as a bug:\n\nNo space left on device @ io_write - /x\n\n/usr/lib/ruby/a.rb:3:in `b'"
    )
    said = sentence("Vagrant::Errors::BatchMultiError", message, [], 1)
    assert said.startswith("v0: libvirt has a machine called a-v0 already")
    assert "; v1: a disk is full or the user's share of it used up (/x)" in said


def test_the_machine_is_named_once() -> None:
    assert sentence("X::VMBootTimeout", "", [], 1, machine="v1").startswith("v1: it did not boot")
    assert sentence("X::VMBootTimeout", "", [], 1).startswith("a machine: it did not boot")
    assert sentence("X::NoDefaultProvider", "", [], 1).startswith("there is neither")
    assert sentence("X::DownloaderError", DOWNLOAD + "x", [], 1, machine="box").startswith(
        "a file of the box"
    )


def test_a_machine_that_refuses_the_key_is_not_one_that_does_not_boot() -> None:
    warned = ["Warning: Connection reset. Retrying...", "Warning: Authentication failure. Retrying..."]
    text = "Timed out while waiting for the machine to boot."
    assert "does not accept the key" in sentence("Vagrant::Errors::VMBootTimeout", text, warned, 1)
    assert "did not boot" in sentence("Vagrant::Errors::VMBootTimeout", text, warned[:1], 1)


def test_an_unknown_error_is_told_in_its_own_words_in_short() -> None:
    said = sentence("Vagrant::Errors::BrandNew", "It went\nwrong.\n" + "x" * 5000, [], 1)
    assert said.startswith("Vagrant failed (BrandNew): It went wrong. xxx")
    assert_one_sentence(said)


def test_an_unknown_error_of_virtualbox_is_told_without_its_places_in_the_source() -> None:
    error, message = vboxmanage(
        '["modifyvm", "x", "--memory", "6041"]',
        "VBoxManage: error: Invalid RAM size: 6041 MB (must be in range [4, 3584] MB)",
        "VBoxManage: error: Details: code NS_ERROR_INVALID_ARG (0x80070057), component SessionMachine",
        'VBoxManage: error: Context: "COMSETTER(MemorySize)(ValueUnion.u32)" at line 625',
    )
    assert sentence(error, message, [], 1) == (
        "VBoxManage modifyvm failed: Invalid RAM size: 6041 MB (must be in range [4, 3584] MB)"
    )


def test_an_unknown_error_of_libvirt_is_told_with_the_call() -> None:
    message = LIBVIRT.format("virDomainSuspend", "internal error: new words.")
    assert sentence("X::Errors::FogError", message, [], 1) == (
        "libvirt failed in virDomainSuspend: internal error: new words"
    )


def test_no_words_at_all_leave_the_exit_status() -> None:
    assert sentence("", "", [], 1) == "Vagrant ended with exit status 1 and told no reason"
    assert "signal 9" in sentence("", "", [], 137)


def test_what_comes_from_outside_is_escaped() -> None:
    said = sentence(
        "X::DownloaderError", DOWNLOAD + "Could not open \x1b[31m\u202e/evil", [], 1, machine="v\x07"
    )
    assert_one_sentence(said)
    assert "\\x1b[31m" in said and "v\\x07" in said


@given(
    st.text(st.characters(), max_size=200),
    st.text(st.characters(), max_size=400),
    st.lists(st.text(), max_size=3),
)
def test_no_text_is_an_exception(error: str, message: str, said: list[str]) -> None:
    assert_plain(sentence(error, message, said, 1, machine=error[:3]))


@given(st.lists(st.sampled_from(messages()), min_size=1, max_size=4).map("\n".join), st.integers(0, 255))
def test_no_mixture_of_known_texts_is_an_exception(text: str, status: int) -> None:
    assert_plain(sentence("", text, [text], status))
    assert_plain(sentence("", "", [text], status))


def assert_plain(said: str) -> None:
    assert said and "\n" not in said and "\x1b" not in said
