"""Git repositories as submissions: the commit that counts, and nothing else that a repository says."""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labgrader.errors import SubmissionError, UsageError
from labgrader.intake import git_objects
from labgrader.intake.deadlines import parse
from labgrader.intake.entries import Entry, collect, entries, strays
from labgrader.intake.git_objects import Objects, Unreadable
from labgrader.intake.submission import FileRule

RULES = {"tcp_server.py": FileRule()}
NOON = parse("2026-03-01T12:00:00Z")
Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Runs git with no configuration but the test's; returns what it prints."""

    def run(*arguments: str, at: Path = tmp_path, date: str = "2026-03-01T10:00:00Z") -> str:
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.edu", "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.edu", "GIT_COMMITTER_DATE": date,
        }  # fmt: skip
        done = subprocess.run(["git", *arguments], cwd=at, env=environment, check=True, capture_output=True)
        return done.stdout.decode("utf-8", "replace").strip()

    return run


@pytest.fixture
def work(tmp_path: Path, git: Git) -> Path:
    git("init", "-q", "-b", "main", "work")
    return tmp_path / "work"


@pytest.fixture
def commit(work: Path, git: Git) -> Callable[[str, str], str]:
    """Commits a text as tcp_server.py at a time; returns the hash."""

    def make(text: str, date: str) -> str:
        (work / "tcp_server.py").write_text(text)
        git("add", "-A", at=work)
        git("commit", "-q", "--allow-empty", "-m", text, at=work, date=date)
        return git("rev-parse", "HEAD", at=work)

    return make


def bare(git: Git, work: Path, name: str = "alice.git", *options: str) -> Path:
    folder = work.parent / "class"
    folder.mkdir(exist_ok=True)
    git("clone", "-q", "--bare", *options, str(work), str(folder / name))
    return folder / name


def only(folder: Path, deadline: datetime | None = None) -> Entry:
    [entry] = entries(folder, deadline=deadline, files=list(RULES))
    return entry


def test_the_last_commit_by_the_deadline_is_taken(git: Git, work: Path, commit: Callable[..., str]) -> None:
    commit("one\n", "2026-03-01T10:00:00Z")
    two = commit("two\n", "2026-03-01T12:00:00Z")
    three = commit("three\n", "2026-03-01T12:00:01Z")
    folder = bare(git, work).parent
    entry = only(folder, NOON)
    assert (entry.student, entry.kind, entry.commit, entry.late) == ("alice", "repository", two, False)
    assert entry.submitted == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert "left out" in " ".join(entry.notes)
    assert collect(entry, RULES).files == {"tcp_server.py": b"two\n"}
    assert only(folder).commit == three and collect(only(folder), RULES).student == "alice"


def test_what_is_all_after_the_deadline_is_taken_and_late(
    git: Git, work: Path, commit: Callable[..., str]
) -> None:
    commit("one\n", "2026-03-01T13:00:00Z")
    two = commit("two\n", "2026-03-01T14:00:00Z")
    entry = only(bare(git, work).parent, NOON)
    assert (entry.commit, entry.late, entry.problem) == (two, True, None)


def test_a_log_of_pushes_is_believed_rather_than_the_commits_own_dates(
    git: Git, work: Path, commit: Callable[..., str]
) -> None:
    one = commit("one\n", "2026-03-01T10:00:00Z")
    server = bare(git, work)
    git("config", "core.logAllRefUpdates", "true", at=server)
    two = commit("two\n", "2026-03-01T11:00:00Z")
    git("push", "-q", str(server), "main", at=work, date="2026-03-01T11:30:00Z")
    commit("dated back\n", "2026-03-01T11:59:00Z")
    git("push", "-q", str(server), "main", at=work, date="2026-03-01T15:00:00Z")
    entry = only(server.parent, NOON)
    assert (entry.commit, entry.submitted) == (two, datetime(2026, 3, 1, 11, 30, tzinfo=UTC))
    # Before the log begins only the commits' dates are left.
    assert only(server.parent, parse("2026-03-01T10:30:00Z")).commit == one


def test_a_branch_whose_first_push_is_late_is_late_whatever_its_commits_say(
    tmp_path: Path, git: Git, work: Path, commit: Callable[..., str]
) -> None:
    one = commit("one\n", "2026-03-01T10:00:00Z")
    server = tmp_path / "class" / "alice.git"
    server.parent.mkdir()
    git("init", "-q", "--bare", "-b", "main", str(server))
    git("config", "core.logAllRefUpdates", "true", at=server)
    git("push", "-q", str(server), "main", at=work, date="2026-03-01T15:00:00Z")
    entry = only(server.parent, NOON)
    assert (entry.commit, entry.late) == (one, True) and "pushed" in entry.notes[-1]


def test_an_ordinary_clone_is_graded_at_its_commit_and_says_so(
    tmp_path: Path, git: Git, work: Path, commit: Callable[..., str]
) -> None:
    commit("committed\n", "2026-03-01T10:00:00Z")
    (tmp_path / "class").mkdir()
    shutil.copytree(work, tmp_path / "class" / "bob")
    (tmp_path / "class" / "bob" / "tcp_server.py").write_text("beside it\n")
    entry = only(tmp_path / "class")
    assert "beside it" in " ".join(entry.notes)
    assert collect(entry, RULES).files == {"tcp_server.py": b"committed\n"}


@pytest.mark.parametrize("branch", ["main", "trunk"])
def test_a_default_branch_without_commits_gives_way_to_the_one_that_must_be_meant(
    git: Git, work: Path, commit: Callable[..., str], branch: str
) -> None:
    one = commit("one\n", "2026-03-01T10:00:00Z")
    git("branch", "-m", branch, at=work)
    server = bare(git, work)
    (server / "HEAD").write_text("ref: refs/heads/master\n")
    entry = only(server.parent)
    assert entry.commit == one and "master has no commit" in entry.notes[0]


def test_two_unknown_branches_are_no_choice_of_ours(git: Git, work: Path, commit: Callable[..., str]) -> None:
    commit("one\n", "2026-03-01T10:00:00Z")
    git("branch", "-m", "a", at=work)
    git("branch", "b", at=work)
    server = bare(git, work)
    (server / "HEAD").write_text("ref: refs/heads/master\n")
    problem = only(server.parent).problem or ""
    assert "there are a, b" in problem


def test_a_repository_without_a_commit_is_a_row(tmp_path: Path, git: Git) -> None:
    git("init", "-q", "--bare", "class/alice.git")
    entry = only(tmp_path / "class")
    assert entry.problem is not None and "no commit" in entry.problem
    with pytest.raises(SubmissionError, match="no commit"):
        collect(entry, RULES)


def test_the_repository_itself_is_not_a_class(git: Git, work: Path, commit: Callable[..., str]) -> None:
    commit("one\n", "2026-03-01T10:00:00Z")
    with pytest.raises(UsageError, match="one repository"):
        entries(bare(git, work))


@pytest.fixture
def history(git: Git, work: Path, commit: Callable[..., str]) -> Path:
    """Many versions of a long file, so that packing makes chains of deltas."""
    for number in range(40):
        lines = [f"line {line} {'x' * (line % 70)} {number if line % 7 == 0 else ''}" for line in range(2000)]
        (work / "deep" / "folder").mkdir(parents=True, exist_ok=True)
        (work / "deep" / "folder" / f"f{number}").write_bytes(os.urandom(50))
        commit("\n".join(lines), f"2026-03-01T09:{number:02}:00Z")
    return work


@pytest.mark.parametrize(
    "packing",
    [(), ("repack", "-adfq", "--depth=40"), ("-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq")],
)
def test_every_object_reads_as_git_reads_it(git: Git, history: Path, packing: tuple[str, ...]) -> None:
    if packing:
        git(*packing, at=history)
        assert list((history / ".git" / "objects" / "pack").glob("*.pack"))
    listed = git("cat-file", "--batch-all-objects", "--batch-check", at=history).splitlines()
    assert len(listed) > 150
    with Objects(history / ".git") as objects:
        for line in listed:
            oid, kind, size = line.split()
            assert len(objects.read(oid, kind.encode())) == int(size)
        blob = git("rev-parse", "HEAD:tcp_server.py", at=history)
        assert objects.read(blob, b"blob") == (history / "tcp_server.py").read_bytes()


# What a student can do to a repository that the grader reads


def test_nothing_that_a_repository_is_set_up_to_run_is_run(
    tmp_path: Path, git: Git, work: Path, commit: Callable[..., str]
) -> None:
    commit("one\n", "2026-03-01T10:00:00Z")
    server = bare(git, work)
    trap, mark = tmp_path / "trap", tmp_path / "ran"
    trap.write_text(f"#!/bin/sh\ntouch {mark}\n")
    trap.chmod(0o755)
    with open(server / "config", "a", encoding="utf-8") as config:
        config.write(
            f"[core]\n\tfsmonitor = {trap}\n\tpager = {trap}\n\tsshCommand = {trap}\n"
            f"\thooksPath = {tmp_path}\n[diff]\n\texternal = {trap}\n[include]\n\tpath = /etc/shadow\n"
            "[extensions]\n\tpartialClone = o\n"
            f'[remote "o"]\n\tpromisor = true\n\turl = ext::{trap}\n[protocol "ext"]\n\tallow = always\n'
        )
    for name in ("post-checkout", "reference-transaction"):
        shutil.copy(trap, server / "hooks" / name)
    entry = only(server.parent, NOON)
    assert collect(entry, RULES).files == {"tcp_server.py": b"one\n"}
    # A missing object is what a promisor would be asked for.
    blob = git("rev-parse", "HEAD:tcp_server.py", at=work)
    (server / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(SubmissionError, match="is missing"):
        collect(entry, RULES)
    assert not mark.exists()


def test_another_students_objects_cannot_be_borrowed(
    git: Git, work: Path, commit: Callable[..., str]
) -> None:
    commit("bob's work\n", "2026-03-01T10:00:00Z")
    bob = bare(git, work, "bob.git")
    alice = bob.parent / "alice.git"
    git("init", "-q", "--bare", "-b", "main", str(alice))
    shutil.copy(bob / "packed-refs", alice / "packed-refs")
    (alice / "objects" / "info").mkdir(exist_ok=True)
    (alice / "objects" / "info" / "alternates").write_text(f"{bob / 'objects'}\n")
    first, second = entries(bob.parent)
    assert (first.student, second.problem) == ("alice", None)
    assert first.problem is not None and "borrowed" in first.problem
    # Nor by a link in place of the objects, or of a pack.
    shutil.rmtree(alice / "objects")
    (alice / "objects").symlink_to(bob / "objects")
    assert entries(bob.parent)[0].commit is None


@pytest.mark.parametrize("name", ["HEAD", "packed-refs", "refs/heads/main"])
def test_a_link_in_place_of_a_ref_is_not_followed(
    tmp_path: Path, git: Git, work: Path, commit: Callable[..., str], name: str
) -> None:
    oid = commit("one\n", "2026-03-01T10:00:00Z")
    server = bare(git, work)
    (tmp_path / "elsewhere").write_text(f"{oid}\n" if name != "packed-refs" else f"{oid} refs/heads/main\n")
    (server / "packed-refs").unlink()
    (server / name).unlink(missing_ok=True)
    (server / name).symlink_to(tmp_path / "elsewhere")
    entry = only(server.parent)
    assert entry.commit is None and (entry.problem is not None or entry.kind == "files")


@pytest.mark.parametrize(
    "head", ["ref: ../../../../etc/passwd", "ref: refs/heads/../../config", "\0", "f" * 40, ""]
)
def test_a_head_that_leads_nowhere_is_a_row(
    git: Git, work: Path, commit: Callable[..., str], head: str
) -> None:
    commit("one\n", "2026-03-01T10:00:00Z")
    git("branch", "-m", "other", at=work)
    git("branch", "another", at=work)
    server = bare(git, work)
    (server / "HEAD").write_text(head)
    problem = only(server.parent).problem or ""
    assert problem.endswith(".") and problem.isprintable()


def test_submodules_links_and_pointers_are_told(git: Git, work: Path, commit: Callable[..., str]) -> None:
    oid = commit("one\n", "2026-03-01T10:00:00Z")
    git("update-index", "--add", "--cacheinfo", f"160000,{oid},library", at=work)
    git("commit", "-q", "-m", "module", at=work)
    server = bare(git, work)
    assert any("library is a submodule" in note for note in collect(only(server.parent), RULES).notes)
    (work / "tcp_server.py").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    git("add", "tcp_server.py", at=work)
    git("commit", "-q", "-m", "pointer", at=work)
    git("push", "-q", str(server), "main", at=work)
    with pytest.raises(SubmissionError, match="pointer of Git LFS"):
        collect(only(server.parent), RULES)
    (work / "tcp_server.py").unlink()
    (work / "tcp_server.py").symlink_to("/etc/passwd")
    git("add", "tcp_server.py", at=work)
    git("commit", "-q", "-m", "link", at=work)
    git("push", "-q", str(server), "main", at=work)
    with pytest.raises(SubmissionError, match="symbolic link"):
        collect(only(server.parent), RULES)


def test_a_tree_that_unfolds_without_end_is_refused_in_time(
    tmp_path: Path, git: Git, work: Path, commit: Callable[..., str]
) -> None:
    commit("one\n", "2026-03-01T10:00:00Z")
    tree = git("rev-parse", "HEAD^{tree}", at=work)
    for _ in range(12):
        listing = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        done = subprocess.run(
            ["git", "mktree"], cwd=work, input=listing.encode(), check=True, capture_output=True
        )
        tree = done.stdout.decode().strip()
    head = git("commit-tree", "-m", "bomb", tree, at=work)
    git("update-ref", "refs/heads/main", head, at=work)
    with pytest.raises(SubmissionError, match="more than 20000 files"):
        collect(only(bare(git, work).parent), RULES)


def test_an_object_that_unpacks_to_more_than_it_says_is_refused(
    git: Git, work: Path, commit: Callable[..., str]
) -> None:
    commit("one\n", "2026-03-01T10:00:00Z")
    server = bare(git, work)
    blob = git("rev-parse", "HEAD:tcp_server.py", at=work)
    path = server / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.unlink()
    path.write_bytes(zlib.compress(b"blob 100000000\0" + bytes(100_000_000)))
    with pytest.raises(SubmissionError, match="too large"):
        collect(only(server.parent), RULES)
    path.write_bytes(zlib.compress(b"blob 5\0other"))
    with pytest.raises(SubmissionError, match="damaged"):
        collect(only(server.parent), RULES)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("packed") / "r"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], env=environment, check=True, capture_output=True)
        return done.stdout.decode()

    git("init", "-q", "-b", "main", str(folder))
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.edu")
    for number in range(6):
        (folder / "f").write_text("".join(f"{line}{'y' * 40}\n" for line in range(90)) + str(number))
        git("-C", str(folder), "add", "f")
        git("-C", str(folder), *identity, "commit", "-q", "-m", str(number))
    git("-C", str(folder), "repack", "-adfq")
    git("-C", str(folder), "prune-packed", "-q")
    listed = git("-C", str(folder), "cat-file", "--batch-all-objects", "--batch-check").splitlines()
    return folder / ".git", listed


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_pack_gives_the_right_bytes_or_is_refused(
    tmp_path: Path, packed: tuple[Path, list[str]], data: st.DataObject
) -> None:
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(packed[0], copy)
    path = next((copy / "objects" / "pack").glob(data.draw(st.sampled_from(["*.pack", "*.idx"]))))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.chmod(0o644)
    path.write_bytes(
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    with Objects(copy) as objects:
        for line in packed[1]:
            oid, kind, size = line.split()
            try:
                assert len(objects.read(oid, kind.encode())) == int(size)
            except Unreadable:
                continue


def test_a_copy_without_a_length_is_of_64_kib() -> None:
    base = os.urandom(70_000)
    size = b"\xf0\xa2\x04"
    delta = size + b"\x80\x80\x04" + b"\x81\x05"
    assert git_objects._patched(base, delta) == base[5 : 5 + (1 << 16)]


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_hostile_delta_is_refused_or_gives_what_it_says(base: bytes, delta: bytes) -> None:
    try:
        size = git_objects._size(delta, git_objects._size(delta, 0)[1])[0]
        assert len(git_objects._patched(base, delta)) == size
    except Unreadable:
        pass


def test_a_roster_names_a_folder_in_a_repository(tmp_path: Path, work: Path, git: Git) -> None:
    for day, text in (("day07", "seven"), ("day08", "eight")):
        (work / day).mkdir()
        (work / day / "tcp_server.py").write_text(text)
    git("add", "-A", at=work)
    git("commit", "-q", "-m", "both", at=work)
    (work / "day08" / "tcp_server.py").write_text("late")
    git("commit", "-q", "-a", "-m", "later", at=work, date="2026-03-02T10:00:00Z")
    (tmp_path / "class").mkdir()
    for name in ("ann.git", "pair.git"):
        git("clone", "-q", "--bare", str(work), str(tmp_path / "class" / name))
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "id,path\nann,ann.git/day08\nbob,pair.git/day07\ncleo,pair.git/day08\n"
        "dan,pair.git/day08/\neve,ann.git/day09\n"
    )
    found = {entry.student: entry for entry in entries(tmp_path / "class", deadline=NOON, roster=roster)}
    right = ("ann", "bob", "cleo", "dan")
    taken = {name: collect(found[name], RULES).files["tcp_server.py"] for name in right}
    assert taken == {"ann": b"eight", "bob": b"seven", "cleo": b"eight", "dan": b"eight"}
    shared = {name: [note for note in found[name].notes if "same files" in note] for name in taken}
    assert shared["ann"] == shared["bob"] == []
    assert (shared["cleo"], shared["dan"]) == (
        ["The roster gives the same files to dan."],
        ["The roster gives the same files to cleo."],
    )
    with pytest.raises(SubmissionError, match=r"no tcp_server\.py in ann\.git/day09 at \w{10}; it is empty"):
        collect(found["eve"], RULES)
    assert strays(tmp_path / "class", roster=roster) == []
