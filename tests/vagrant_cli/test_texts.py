"""vagrant_says against the texts and classes of the Vagrant that is installed, read from its own files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from labgrader.providers.vagrant.vagrant_says import CAUSES, sentence
from tests.unit.test_vagrant_says import messages

pytestmark = pytest.mark.vagrant

# Classes of Ruby itself, and of its package manager.
RUBY = {"ENOSPC", "EDQUOT", "EACCES", "EROFS", "EPERM", "ENOMEM", "NoMemoryError", "LoadError", "Interrupt"}
RUBY |= {"MissingSpecError", "GemNotFound"}
# What stands in a text's place NAME, where its shape matters.
SHAPED = {"host_port": "2222", "original_uid": "1000", "supported_versions": "6.1, 7.0", "file": "/a:2: no"}
CLASS = re.compile(r"class (\w+) < \S+\s+error_key\(:?\"?(\w+)\"?(?:, *\"([\w.]+)\")?\)")


def folders() -> list[Path]:
    """Where the gems of Vagrant and its libvirt provider are."""
    script = "puts %w[vagrant vagrant-libvirt].map { |n| Gem::Specification.find_by_name(n).gem_dir }"
    done = subprocess.run(["ruby", "-e", script], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not applicable: Vagrant has a Ruby of its own here, and its files elsewhere")
    return [Path(line) for line in done.stdout.split()]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Each class of error, with the text that is made of it."""
    found = {}
    for gem in folders():
        files = [*gem.glob("templates/locales/en.yml"), *gem.glob("locales/en.yml")]
        (locale,) = files
        tree = yaml.safe_load(locale.read_text(encoding="utf-8"))["en"]
        for source in (*gem.glob("lib/vagrant/errors.rb"), *gem.glob("lib/vagrant-libvirt/errors.rb")):
            home = "vagrant_libvirt.errors" if "libvirt" in gem.name else "vagrant.errors"
            for name, key, namespace in CLASS.findall(source.read_text(encoding="utf-8")):
                text: Any = tree
                for part in [*(namespace or home).split("."), key]:
                    text = text.get(part, {}) if isinstance(text, dict) else {}
                if isinstance(text, str):
                    found[name] = re.sub(r"%\{(\w+)\}", lambda m: SHAPED.get(m[1], f"x{m[1]}"), text)
    assert len(found) > 250
    return found


def test_every_class_that_a_cause_names_is_one_of_vagrant_s(texts: dict[str, str]) -> None:
    named = {error for cause in CAUSES for error in cause.errors}
    assert named - RUBY - set(texts) == set()


def test_an_error_of_a_class_is_told_as_this_class_s_cause(texts: dict[str, str]) -> None:
    """Nothing in a text of Vagrant's own is taken for the words of another cause."""
    wrong = []
    for cause in CAUSES:
        for error in set(cause.errors) & set(texts):
            if cause.warned:
                continue
            said = sentence(f"Vagrant::Errors::{error}", texts[error], [], 1)
            start = re.split(r"[({]", cause.sentence)[0].strip()
            if start not in said:
                wrong.append(f"{error}: {said}")
    assert wrong == []


def test_the_same_without_its_class_is_known_by_its_words(texts: dict[str, str]) -> None:
    """As it is when several machines failed at once; for the causes that look for words."""
    unknown = []
    for cause in CAUSES:
        for error in set(cause.errors) & set(texts):
            if (
                cause.words
                and not cause.warned
                and sentence("", texts[error], [], 1).startswith("Vagrant failed")
            ):
                unknown.append(error)
    assert unknown == []


def test_no_text_of_vagrant_s_is_anything_but_one_line(texts: dict[str, str]) -> None:
    for error, text in texts.items():
        said = sentence(f"Vagrant::Errors::{error}", text, [], 1)
        assert said and "\n" not in said and len(said) < 500


def test_every_cause_has_a_text_that_it_was_made_for(texts: dict[str, str]) -> None:
    seen = [" ".join(text.split()) for text in [*messages(), *texts.values()]]
    unseen = [
        cause.sentence
        for cause in CAUSES
        if cause.words and not any(re.search(cause.words, text, re.IGNORECASE) for text in seen)
    ]
    assert unseen == []
