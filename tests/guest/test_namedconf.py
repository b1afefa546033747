"""Taking removed options out of named.conf, and copying it with its includes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import namedconf
import namedcopy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.guest.conftest import Host, run_in_host

VALUES = {"boolean": "no", "one": "1", "block": "{ }", "four": '257 3 8 "AwEA"', "lookaside": "auto"}
WRAPPED = {
    "top": "{}",
    "options": "options {{ {} }};",
    "view": 'view "v" {{ {} }};',
    "zone": 'zone "z" IN {{ type forward; {} }};',
    "server": "server 192.0.2.1 {{ {} }};",
}
CASES = [
    (context, option, f"{option} {VALUES[values]};")
    for context, options in namedconf.REMOVED.items()
    for option, (_, values) in options.items()
]


@pytest.mark.parametrize(("context", "option", "statement"), CASES)
def test_every_removed_option_goes_where_it_stood(context: str, option: str, statement: str) -> None:
    text = "// first\n" + WRAPPED[context].format("\n" + statement + " // kept")
    after, dropped = namedconf.drop_removed(text)
    assert dropped == [(3, option)]
    assert after == text.replace(statement, " " * len(statement))


@pytest.mark.parametrize(
    "text",
    [
        "options { recursion yes; };",
        'options { directory "dnssec-enable no;"; };',
        "// dnssec-enable no;\noptions { # dnssec-enable no;\n /* dnssec-enable no; */ };",
        "dnssec-enable no;",
        "logging { dnssec-enable no; };",
        'zone "z" { dnssec-enable no; };',
        'key "dnssec-enable" { };',
        "options { dnssec-enable no };",
        "options { dnssec-enable no\n dnssec-validation no; };",
        "options { dnssec-enable maybe; };",
        "options { dnssec-enable; };",
        'options { "dnssec-enable" no; };',
    ],
)
def test_nothing_else_is_touched(text: str) -> None:
    assert namedconf.drop_removed(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("options{dnssec-enable no;};", "options{                 };"),
        ("OPTIONS { DNSSEC-Enable NO; };", "OPTIONS {                   };"),
        ("options { dnssec-enable/* x */no\n;};", "options { " + 22 * " " + "\n };"),
        ("options { dnssec-enable\n\tno;\r\n};", "options {              \n    \r\n};"),
        (
            "options { listen-on { 1.2.3.4; }; dnssec-lookaside . trust-anchor dlv.isc.org; };",
            "options { listen-on { 1.2.3.4; };                                              };",
        ),
        ('view "v" { zone "z" { ixfr-base "x"; }; };', 'view "v" { zone "z" {                }; };'),
    ],
)
def test_shapes(text: str, after: str) -> None:
    assert namedconf.drop_removed(text)[0] == after


def test_a_wrongly_written_removed_option_is_told() -> None:
    text = "options {\n dnssec-enable no\n dnssec-validation no;\n};"
    assert namedconf.find(text).malformed == [(3, "missing ';' before 'dnssec-validation'")]
    assert namedconf.find("options { dnssec-enable maybe; };").malformed == [
        (1, "boolean expected near 'maybe'")
    ]


PIECES = st.sampled_from(
    [
        "options",
        "view",
        "zone",
        "server",
        '"x"',
        "{",
        "}",
        ";",
        " ",
        "\n",
        "dnssec-enable",
        "no",
        "yes",
        "//",
        "/*",
        "*/",
        "#",
        '"',
        "\\",
        "include",
        "recursion",
        "!",
        "\r\n",
        "topology",
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_keeps_its_length_and_lines(text: str) -> None:
    after, dropped = namedconf.drop_removed(text)
    assert len(after) == len(text) and after.count("\n") == text.count("\n")
    assert [c for c, d in zip(text, after, strict=True) if c != d and d != " "] == []
    if not dropped:
        assert after == text
    assert namedconf.drop_removed(after) == (after, [])  # nothing is left that could be dropped


@given(st.text(max_size=200).filter(lambda t: not any(o in t.lower() for _, o, _ in CASES)))
def test_text_without_removed_options_comes_back(text: str) -> None:
    assert namedconf.drop_removed(text) == (text, [])


@given(
    st.lists(
        st.sampled_from(
            [
                "recursion yes;",
                "dnssec-enable no;",
                "forwarders { 192.0.2.1; };",
                "// c\n",
                "/* c */",
                'directory "/x";',
                "dnssec-lookaside auto;",
                "\n",
            ]
        ),
        max_size=20,
    )
)
def test_exactly_the_removed_statements_go(statements: list[str]) -> None:
    after, dropped = namedconf.drop_removed("options { " + " ".join(statements) + "\n };")
    kept = [s for s in statements if not s.startswith(("dnssec-enable", "dnssec-lookaside"))]
    assert after.split() == ("options { " + " ".join(kept) + "\n };").split()
    assert len(dropped) == len(statements) - len(kept)


def test_deep_nesting_costs_little() -> None:
    text = "{" * 200_000 + "options { dnssec-enable no; };"
    assert namedconf.drop_removed(text) == (text, [])


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.setattr(namedcopy, "ROOTS", (str(folder) + "/",))
    return folder


def prepare(etc: Path, text: str) -> tuple[str, list[tuple[str, int, str]], bool]:
    (etc / "named.conf").write_text(text)
    target, dropped, v6 = namedcopy.prepare(str(etc / "named.conf"), str(etc.parent / "run"))
    return target, dropped, v6


def refusal(etc: Path, text: str) -> str:
    with pytest.raises(namedcopy.ConfigError) as caught:
        prepare(etc, text)
    return str(caught.value)


def test_includes_are_copied_and_cleaned_in_their_context(etc: Path) -> None:
    (etc / "inner").write_text("\ndnssec-enable no;")
    text = f'options {{ include "{etc}/inner"; }};\ninclude "{etc}/inner";'
    target, dropped, v6 = prepare(etc, text)
    running = str(etc.parent / "run")
    assert target == f"{running}{etc}/named.conf" and not v6
    assert dropped == [(f"{etc}/inner", 2, "dnssec-enable")]
    assert Path(target).read_text() == text.replace(str(etc), running + str(etc))


def test_relative_includes_follow_the_directory(etc: Path) -> None:
    (etc / "sub").mkdir()
    (etc / "sub/more").write_text('zone "z" { type hint; file "x"; };')
    target, _, _ = prepare(etc, f'options {{ directory "{etc}/sub"; }};\ninclude "more";')
    assert f"{etc}/sub/more" in Path(target).read_text()


def test_listen_on_v6_is_seen(etc: Path) -> None:
    assert prepare(etc, "options { listen-on-v6 { none; }; };")[2]
    assert not prepare(etc, "options { // listen-on-v6 { none; };\n };")[2]


def test_what_is_not_configuration_is_refused(etc: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:$6$hash:1::\n")
    assert refusal(etc, f'\ninclude "{secret}";').startswith(f"{etc}/named.conf:2: '{secret}' is refused")
    (etc / "link").symlink_to(secret)
    assert "is refused" in refusal(etc, f'include "{etc}/link";')
    assert "is refused" in refusal(etc, f'include "{etc}/../secret";')
    assert "is refused" in refusal(etc, f'options {{ bindkeys-file "{secret}"; }};')
    assert "is refused" in refusal(etc, 'include "/dev/zero";')
    assert "hash" not in refusal(etc, f'include "{secret}";')


def test_what_never_ends_is_refused(etc: Path) -> None:
    os.mkfifo(etc / "fifo")
    assert "is not a regular file" in refusal(etc, f'include "{etc}/fifo";')
    (etc / "big").write_bytes(b" " * (namedcopy.LIMIT + 1))
    assert "is larger than" in refusal(etc, f'include "{etc}/big";')
    (etc / "full").write_bytes(b" " * namedcopy.LIMIT)
    prepare(etc, f'include "{etc}/full";')
    assert "include loop" in refusal(etc, f'include "{etc}/named.conf";')
    (etc / "many").write_text("\n")
    assert "are included" in refusal(etc, f'include "{etc}/many";\n' * (namedcopy.FILES + 1))
    for level in range(12):
        (etc / f"level{level}").write_text(f'include "{etc}/level{level + 1}";')
    assert "within one another" in refusal(etc, f'include "{etc}/level0";')


def test_a_missing_include_is_told(etc: Path) -> None:
    assert refusal(etc, f'\n\ninclude "{etc}/nothing";') == (
        f"{etc}/named.conf:3: open: '{etc}/nothing': file not found"
    )


@pytest.mark.namespaces
def test_the_table_is_what_this_bind_refuses(v0: Host) -> None:
    """Every option of the table stops the real named-checkconf, and none does once it is dropped."""
    real = "/usr/libexec/labgrader/named-checkconf"
    for context, option, statement in CASES:
        text = WRAPPED[context].format(statement)
        v0.write("/tmp/before.conf", text)
        assert f"option '{option}' no longer exists" in run_in_host(v0, [real, "/tmp/before.conf"]).stdout
        v0.write("/tmp/after.conf", namedconf.drop_removed(text)[0])
        said = run_in_host(v0, [real, "/tmp/after.conf"])
        assert "no longer exists" not in said.stdout and "unknown" not in said.stdout


@pytest.mark.slow
@pytest.mark.namespaces
def test_the_table_misses_nothing(v0: Host) -> None:
    """No other hyphenated word in this BIND's configuration library is an option that no longer exists."""
    library = next((v0.root / "usr/lib/x86_64-linux-gnu").glob("libisccfg*.so"))
    words = set(re.findall(rb"\0([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?=\0)", library.read_bytes()))
    # the linker keeps "cleaning-interval" only as the end of "acache-cleaning-interval": add the table's
    names = {word.decode() for word in words if b"-" in word} | {option for _, option, _ in CASES}
    assert len(names) > 200
    run_in_host(v0, ["mkdir", "/tmp/all"])
    for context in namedconf.REMOVED:
        for name in names:  # a file each: the parser gives up at the first thing it does not like
            v0.write(f"/tmp/all/{name}", WRAPPED[context].format(f"{name} no;"))
        script = "for f in /tmp/all/*; do /usr/libexec/labgrader/named-checkconf $f; done"
        said = run_in_host(v0, ["sh", "-c", script], timeout=120).stdout
        refused = {line.split("'")[1] for line in said.splitlines() if line.endswith("no longer exists")}
        assert refused == set(namedconf.REMOVED[context]), context
