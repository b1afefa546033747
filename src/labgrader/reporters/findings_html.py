"""A proof's findings as one HTML page that needs nothing else. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from jinja2 import Environment, StrictUndefined

from labgrader.printable import printable
from labgrader.reporters.findings_junit import LONGEST, Section

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>labgrader, {{ day }}: {{ verdict }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222 }
h1 { font-size: 1.4em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25em .7em; border-bottom: 1px solid #ddd }
td.message { overflow-wrap: anywhere }
tr.wrong { background: #fdecea } tr.ours { background: #f6ecfa }
.good { color: #176b2c } .bad { color: #a11 }
</style>
</head>
<body>
<h1>labgrader, {{ day }}: <span class="{{ 'bad' if wrong else 'good' }}">{{ verdict }}</span></h1>
<p>Begun {{ started }}{% if commit %}, commit <code>{{ commit }}</code>{% endif %}.</p>
{% if wrong %}
<h2>What does not hold</h2>
<ul>
{% for section in sections %}{% for finding in section.findings if not finding.holds %}
<li>{{ section.name | plain }}{% if finding.provider %}, {{ finding.provider | plain }}{% endif %}:
<b>{{ finding.name | plain }}</b>: {{ finding.message | plain }}</li>
{% endfor %}{% endfor %}
</ul>
{% endif %}
{% for section in sections %}
<h2>{{ section.name | plain }}: {{ section.title | plain }}</h2>
<table>
<tr><th></th><th>provider</th><th>what</th><th>said</th><th>seconds</th></tr>
{% for finding in section.findings %}
<tr class="{{ 'holds' if finding.holds else 'ours' if finding.ours else 'wrong' }}">
<td>{{ 'ok' if finding.holds else 'failed' if finding.ours else 'wrong' }}</td>
<td>{{ finding.provider | plain }}</td><td>{{ finding.name | plain }}</td>
<td class="message">{{ finding.message | plain }}</td>
<td>{{ '%.1f' | format(finding.seconds) if finding.seconds else '' }}</td>
</tr>
{% endfor %}
</table>
{% endfor %}
</body>
</html>
"""


def html(sections: Sequence[Section], started: datetime.datetime, commit: str) -> str:
    """The page; whatever a finding says comes out as text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["plain"] = lambda text: printable(text, LONGEST)
    total = sum(len(section.findings) for section in sections)
    wrong = sum(section.wrong for section in sections)
    return environment.from_string(PAGE).render(
        sections=sections,
        day=f"{started:%Y-%m-%d}",
        started=started.isoformat(timespec="seconds"),
        commit=commit,
        wrong=wrong,
        verdict=f"{total - wrong} of {total} hold",
    )
