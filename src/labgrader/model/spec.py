"""The lab file (lab.yaml): its model, and loading it with errors that name file, line and remedy."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from labgrader.errors import SpecError, UsageError
from labgrader.model import yaml_places
from labgrader.model.limits import Limits
from labgrader.model.spec_types import INTERFACE, NAME, AbsolutePath, Mode, Name
from labgrader.model.spec_words import explain, sentence, suggest


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(_Model):
    """A number that `--set NAME=VALUE` may change, within its bounds."""

    default: int
    minimum: int = 0
    maximum: int = 2**31
    help: str = ""

    @model_validator(mode="after")
    def _is_within_its_bounds(self) -> Parameter:
        if not self.minimum <= self.default <= self.maximum:
            raise ValueError(f"default {self.default} is not within {self.minimum} to {self.maximum}")
        return self


class Interface(_Model):
    """One network card of a host: the network it is plugged into and the address it is to have."""

    network: Name
    address: str | None = None  # "192.168.0.10/24"; None = not configured by the lab
    gateway: str | None = None

    @field_validator("address")
    @classmethod
    def _is_interface_address(cls, value: str | None) -> str | None:
        if value is not None:
            if "/" not in value:
                raise ValueError(f"{value} has no prefix length; write it as {value}/24")
            ipaddress.IPv4Interface(value)
        return value

    @field_validator("gateway")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            ipaddress.IPv4Address(value)
        return value


class HostFile(_Model):
    """A file that the lab itself gives a host: rendered from `template`, with `values` as further names."""

    path: AbsolutePath
    template: str
    values: Mapping[str, Any] = {}
    owner: str = "root"
    mode: Mode = "0644"
    service: str | None = None


class Service(_Model):
    """A service that is (re)started when one of its files changed, and what then must be seen."""

    listens: int | None = None  # a TCP port that is open when the service is ready
    deadline_s: float = 15.0
    early: bool = False  # needs nothing that is handed in: kept machines have it running in their snapshot


class Host(_Model):
    """One machine of the lab. `student` marks the one where the student's files act."""

    hostname: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")]
    student: bool = False
    forward: bool = False  # passes packets between its networks
    memory_mb: int = 512
    cpus: int = 1
    interfaces: Mapping[str, Interface] = {}
    files: tuple[HostFile, ...] = ()
    services: Mapping[str, Service] = {}


class SubmittedFile(_Model):
    """A file that the student hands in: where it goes, and what stands in when it is missing."""

    host: str
    path: AbsolutePath
    owner: str = "root"
    mode: Mode = "0644"
    service: str | None = None
    template: str | None = None  # rendered when the file is missing; without it reference/ is used
    values: Mapping[str, Any] = {}
    required: bool = False
    max_kb: int = 1024


class SubmissionSpec(_Model):
    files: Annotated[Mapping[str, SubmittedFile], Field(min_length=1)]
    empty_score: float = 0.0  # what a submission without any of the files scores: it is rejected


class Lab(_Model):
    """A whole lab.yaml, checked; `folder` and `digest` are filled in by `load`."""

    name: Name
    title: str
    points: float = Field(gt=0)
    description: str = ""
    parameters: Mapping[str, Parameter] = {}
    networks: tuple[Name, ...]
    hosts: Annotated[Mapping[str, Host], Field(min_length=1)]
    submission: SubmissionSpec
    limits: Limits = Limits()
    folder: Path = Path()
    digest: str = ""

    @model_validator(mode="after")
    def _refers_to_what_exists(self) -> Lab:
        owners: dict[tuple[str, str], str] = {}
        for host_name, host in self.hosts.items():
            if not NAME.match(host_name):
                raise ValueError(
                    f"hosts.{host_name}: a host's name is lower-case letters, digits and hyphens"
                )
            for interface_name, interface in host.interfaces.items():
                if not INTERFACE.match(interface_name):
                    raise ValueError(f"hosts.{host_name}.interfaces.{interface_name}: not an interface name")
                if interface.network not in self.networks:
                    raise ValueError(
                        f"hosts.{host_name}.interfaces.{interface_name}: network {interface.network} is not "
                        f"among networks{suggest(interface.network, self.networks)}"
                    )
                if interface.address is not None:
                    place = (interface.network, interface.address.split("/")[0])
                    if place in owners:
                        raise ValueError(
                            f"hosts.{host_name}.interfaces.{interface_name}: "
                            f"{place[1]} is {owners[place]}'s already"
                        )
                    owners[place] = f"{host_name}.{interface_name}"
            late: str | None = None
            for service_name, service in host.services.items():
                if not service.early:
                    late = service_name
                elif late is not None:
                    raise ValueError(
                        f"hosts.{host_name}.services.{service_name}: it is early, and started after {late}, "
                        "which is not; name the early ones first"
                    )
            for number, file in enumerate(host.files):
                if file.service is not None and file.service not in host.services:
                    raise ValueError(
                        f"hosts.{host_name}.files.{number}: {file.path} belongs to service {file.service}, "
                        f"which is not among the host's services{suggest(file.service, host.services)}"
                    )
        for file_name, rule in self.submission.files.items():
            where = f"submission.files.{file_name}"
            if "/" in file_name:
                raise ValueError(f"{where}: a file name, not a path")
            if rule.host not in self.hosts:
                raise ValueError(f"{where}: host {rule.host} is not there{suggest(rule.host, self.hosts)}")
            if rule.service is not None and rule.service not in self.hosts[rule.host].services:
                known = self.hosts[rule.host].services
                raise ValueError(
                    f"{where}: {rule.host} has no service {rule.service}{suggest(rule.service, known)}"
                )
            if rule.service is not None and self.hosts[rule.host].services[rule.service].early:
                raise ValueError(
                    f"{where}: it is handed in, so {rule.service} of {rule.host} cannot be early; "
                    "take early from the service"
                )
        return self


def labs_folder() -> Path:
    """The folder that holds the labs: beside src/ in a checkout."""
    return Path(__file__).resolve().parents[3] / "labs"


def lab_names(folder: Path | None = None) -> list[str]:
    """The names of all labs, sorted."""
    root = folder or labs_folder()
    return sorted(path.parent.name for path in root.glob("*/lab.yaml"))


def find(name: str, folder: Path | None = None) -> Lab:
    """Load the lab called `name`, or the one in the folder that `name` is a path of.

    Raises UsageError for an unknown lab (with the known ones), SpecError for a broken lab.yaml.
    """
    root = folder or labs_folder()
    if "/" in name:
        path = Path(name).expanduser().resolve()
        if not (path / "lab.yaml").is_file():
            raise UsageError(f"{name} holds no lab.yaml.")
        return load(path / "lab.yaml")
    if not NAME.match(name) or not (root / name / "lab.yaml").is_file():
        raise UsageError(sentence(f"There is no lab {name!r}{suggest(name, lab_names(root))}"))
    return load(root / name / "lab.yaml")


def load(path: Path) -> Lab:
    """Read and check one lab.yaml.

    Raises SpecError whose message begins with `FILE:LINE:` and names the key, the fault and the remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read: {error}.") from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, in C where it is built
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise SpecError(f"{path}:{line}: not valid YAML: {getattr(error, 'problem', error)}.") from error
    if twice := yaml_places.repeated_key(text):
        raise SpecError(
            f"{path}:{twice.line}: {twice.key} is there twice; the first is in line {twice.first_line}."
        )
    if not isinstance(data, dict):
        raise SpecError(f"{path}:1: a lab file is a mapping that begins with name, title and points.")
    try:
        lab = Lab.model_validate({**data, "folder": path.parent, "digest": digest_of(path.parent)})
    except ValidationError as error:
        raise SpecError(explain(path, text, error, Lab)) from error
    if lab.name != path.parent.name:
        raise SpecError(
            f"{path}:{yaml_places.line_of(text, ('name',))}: "
            f"name is {lab.name}, its folder {path.parent.name}."
        )
    return lab


def parameters(lab: Lab, settings: Mapping[str, str]) -> dict[str, int]:
    """The lab's parameters with `--set` values over their defaults; UsageError for a bad one."""
    values = {name: parameter.default for name, parameter in lab.parameters.items()}
    for name, text in settings.items():
        if name not in lab.parameters:
            raise UsageError(
                sentence(f"Lab {lab.name} has no parameter {name!r}{suggest(name, lab.parameters)}")
            )
        rule = lab.parameters[name]
        try:
            value = int(text)
        except ValueError:
            raise UsageError(f"--set {name}={text}: not a whole number.") from None
        if not rule.minimum <= value <= rule.maximum:
            raise UsageError(f"--set {name}={text}: not within {rule.minimum} to {rule.maximum}.")
        values[name] = value
    return values


def digest_of(folder: Path) -> str:
    """sha256 over everything in a lab's folder that decides a score, and over the shared templates."""
    total = hashlib.sha256()
    # The same three places in which render.py looks for templates, each once.
    shared = (folder.parent.parent / "templates", labs_folder().parent / "templates")
    roots = [folder, *dict.fromkeys(shared)]
    for root in roots:
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if path.is_file() and relative.parts[0] != "mutants" and "__pycache__" not in relative.parts:
                total.update(f"{root.name}/{relative}\0".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return "sha256:" + total.hexdigest()
