"""Templates to file contents, with jinja2's StrictUndefined. Pure but for reading the templates.

Only the lab's own data reaches a template; what a student hands in is copied, never rendered.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from labgrader.errors import SpecError
from labgrader.model.spec import HostFile, Lab, SubmittedFile, labs_folder
from labgrader.model.topology import Machine, Topology
from labgrader.model.yaml_places import line_of


@dataclass(frozen=True)
class RenderedFile:
    """One file as it is to stand on a host; `mode` is octal, `service` is restarted when it changes."""

    host: str
    path: str
    content: bytes
    owner: str
    mode: int
    service: str | None
    submitted: str | None = None  # the name under which the student handed it in


def files_for(
    lab: Lab, topology: Topology, parameters: Mapping[str, int], submitted: Mapping[str, bytes]
) -> list[RenderedFile]:
    """Every file of the lab: given ones rendered, handed-in ones as they are, missing ones stood in for.

    Raises SpecError naming template and line for a template that cannot be rendered.
    """
    environment = _environment(lab)
    machines = {machine.name: machine for machine in topology.machines}
    result = _given(environment, lab, machines, parameters)
    for name, rule in lab.submission.files.items():
        if name in submitted:
            content, handed_in = submitted[name], name
        else:
            content, handed_in = _stand_in(environment, lab, machines, name, rule, parameters), None
        result.append(
            RenderedFile(
                rule.host, rule.path, content, rule.owner, int(rule.mode, 8), rule.service, handed_in
            )
        )
    return result


def given_files(lab: Lab, topology: Topology, parameters: Mapping[str, int]) -> list[RenderedFile]:
    """The files that the lab itself gives its hosts, rendered; raises SpecError as `files_for` does."""
    return _given(
        _environment(lab), lab, {machine.name: machine for machine in topology.machines}, parameters
    )


def _given(
    environment: jinja2.Environment, lab: Lab, machines: Mapping[str, Machine], parameters: Mapping[str, int]
) -> list[RenderedFile]:
    result = []
    for host_name, host in lab.hosts.items():
        for number, file in enumerate(host.files):
            where = ("hosts", host_name, "files", number)
            content = _render(environment, lab, machines, host_name, file, parameters, where)
            result.append(
                RenderedFile(host_name, file.path, content, file.owner, int(file.mode, 8), file.service)
            )
    return result


def _stand_in(
    environment: jinja2.Environment,
    lab: Lab,
    machines: Mapping[str, Machine],
    name: str,
    rule: SubmittedFile,
    parameters: Mapping[str, int],
) -> bytes:
    if rule.template is not None:
        where = ("submission", "files", name)
        return _render(environment, lab, machines, rule.host, rule, parameters, where)
    path = lab.folder / "reference" / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: the reference's {name} is needed and cannot be read: {error}.") from error


def _environment(lab: Lab) -> jinja2.Environment:
    # The lab's own, those beside its neighbours, and the project's: a lab may live anywhere.
    tops = lab.folder, lab.folder.parent.parent, labs_folder().parent
    folders = [top / "templates" for top in tops]
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(
    environment: jinja2.Environment,
    lab: Lab,
    machines: Mapping[str, Machine],
    host: str,
    file: HostFile | SubmittedFile,
    parameters: Mapping[str, int],
    where: tuple[str | int, ...],
) -> bytes:
    name = f"{file.template}.j2"
    values: dict[str, Any] = {
        "lab": lab.name,
        "host": machines[host],
        "machines": machines,
        "parameters": parameters,
        **file.values,
    }
    try:
        template = environment.get_template(name)
    except jinja2.TemplateSyntaxError as error:
        raise SpecError(f"{error.filename}:{error.lineno}: {error.message}.") from error
    except jinja2.TemplateNotFound as error:
        raise SpecError(_not_there(environment, lab, file, where)) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{name}: {error}.") from error
    try:
        return template.render(values).encode()
    except jinja2.TemplateSyntaxError as error:
        raise SpecError(f"{error.filename}:{error.lineno}: {error.message}.") from error
    except jinja2.UndefinedError as error:
        place = _place(error, name)
        raise SpecError(
            f"{place}: {error.message} while rendering {file.path} of {host}; "
            f"known names: {', '.join(sorted(values))}."
        ) from error
    except Exception as error:  # whatever a template's expressions raise is the template's
        words = f"{type(error).__name__}: {error}"
        raise SpecError(f"{_place(error, name)}: {words} while rendering {file.path} of {host}.") from error


def _not_there(
    environment: jinja2.Environment, lab: Lab, file: HostFile | SubmittedFile, where: tuple[str | int, ...]
) -> str:
    known = sorted({Path(item).stem for item in environment.list_templates(extensions=["j2"])})
    near = difflib.get_close_matches(file.template or "", known, n=1)
    remedy = f"; did you mean {near[0]}?" if near else f" (there are: {', '.join(known)})."
    path = lab.folder / "lab.yaml"
    line = line_of(path.read_text(encoding="utf-8"), (*where, "template"))
    return f"{path}:{line}: template {file.template!r} for {file.path} is not there{remedy}"


def _place(error: BaseException, name: str) -> str:
    """FILE:LINE of the template's innermost frame in a traceback that jinja2 rewrote."""
    found = name
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if re.search(r"\.j2\Z", filename):
            found = f"{filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
