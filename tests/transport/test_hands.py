"""The grader's end of the agent: whatever the agent does, each question ends with an answer or a LabError."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import paramiko
import pytest

from labgrader.errors import LabError
from labgrader.remote import hands as hands_module
from labgrader.remote.hands import COMMAND, Hands
from labgrader.remote.transport import Connection
from tests.transport.ssh_server import Command, SshServer

Answer = Callable[[dict[str, Any]], bytes]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands_module, "GRACE_S", 0.2)


def agent(answer: Answer) -> Command:
    """An agent that says it is ready and then answers each request line with `answer` of it."""

    def act(channel: paramiko.Channel) -> None:
        lock = threading.Lock()
        channel.sendall(b'{"ready": true}\n')
        buffer = b""
        while piece := channel.recv(65536):
            buffer += piece
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                text = answer(json.loads(line))
                with lock:
                    channel.sendall(text)

    return act


def echo(request: dict[str, Any]) -> bytes:
    return json.dumps({"id": request["id"], "said": request.get("text", "")}).encode() + b"\n"


def start(server: SshServer, connection: Connection, command: Command) -> Hands:
    server.commands[COMMAND] = command
    return Hands(connection)


def test_each_asker_gets_its_own_answer(server: SshServer, connection: Connection) -> None:
    hands = start(server, connection, agent(echo))
    wrong: list[str] = []

    def ask(number: int) -> None:
        for turn in range(3):
            # Longer than a channel's window together: lines of different askers must not mix.
            text = f"{number}.{turn}" * 20_000
            if hands.ask("say", text=text, patience_s=60)["said"] != text:
                wrong.append(f"{number}.{turn}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_answers_may_come_in_any_order(server: SshServer, connection: Connection) -> None:
    held: list[dict[str, Any]] = []

    def last_first(request: dict[str, Any]) -> bytes:
        held.append(request)
        if len(held) < 5:
            return b""
        return b"".join(echo(item) for item in reversed(held))

    hands = start(server, connection, agent(last_first))
    seen: dict[int, str] = {}

    def ask(number: int) -> None:
        seen[number] = hands.ask("say", text=str(number), patience_s=30)["said"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert seen == {number: str(number) for number in range(5)}


def test_agent_that_says_it_is_broken(server: SshServer, connection: Connection) -> None:
    def broken(request: dict[str, Any]) -> bytes:
        if request["op"] == "fall":
            return json.dumps({"id": request["id"], "broken": "fall: KeyError: 7"}).encode() + b"\n"
        return echo(request)

    hands = start(server, connection, agent(broken))

    with pytest.raises(LabError, match=r"^v0: its agent failed: fall: KeyError: 7\.$"):
        hands.ask("fall")
    assert hands.ask("say", text="still here")["said"] == "still here"


def test_agent_that_dies_is_told_with_its_last_words(server: SshServer, connection: Connection) -> None:
    def die(channel: paramiko.Channel) -> None:
        channel.recv(65536)
        channel.sendall_stderr(b"Traceback ...\nMemoryError\n")
        channel.send_exit_status(1)

    hands = start(server, connection, die)
    begun = time.monotonic()

    with pytest.raises(LabError, match=r"(?s)v0: its agent ended while 'say' was asked: .*MemoryError"):
        hands.ask("say", patience_s=30)

    assert time.monotonic() - begun < 5, "nobody waits for the dead"
    with pytest.raises(LabError, match=r"v0: .*agent"):
        hands.ask("say")


def test_lost_connection_wakes_every_asker(server: SshServer, connection: Connection) -> None:
    asked = threading.Semaphore(0)

    def silent(request: dict[str, Any]) -> bytes:
        asked.release()
        return b""

    hands = start(server, connection, agent(silent))
    said: list[str] = []

    def ask() -> None:
        try:
            hands.ask("say", patience_s=60)
        except LabError as error:
            said.append(error.message)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert asked.acquire(timeout=30)
    server.cut()
    for thread in threads:
        thread.join(10)

    assert len(said) == 4 and all(text.startswith("v0: its agent ended") for text in said)


@pytest.mark.parametrize(
    "garbage", [b"Segmentation fault\n", b"[1, 2]\n", b"7\n", b"\xff\xfe\n", b"{\n", b'"id"\n', b"null\n"]
)
def test_agent_that_answers_garbage(server: SshServer, connection: Connection, garbage: bytes) -> None:
    hands = start(server, connection, agent(lambda _: garbage))
    begun = time.monotonic()

    with pytest.raises(LabError) as caught:
        hands.ask("say", patience_s=30)

    assert time.monotonic() - begun < 5
    assert caught.value.message.startswith(
        "v0: its agent ended while 'say' was asked: it said what is no answer: "
    )


@pytest.mark.parametrize("number", [None, "1", [1], {}, 1.5, 99])
def test_answer_to_nobody_s_question_is_passed_over(
    server: SshServer, connection: Connection, number: object
) -> None:
    stray = json.dumps({"id": number, "said": "stray"}).encode() + b"\n"
    hands = start(server, connection, agent(lambda request: stray + echo(request)))

    assert hands.ask("say", text="mine")["said"] == "mine"


def test_answer_that_never_comes(server: SshServer, connection: Connection) -> None:
    def deaf(request: dict[str, Any]) -> bytes:
        return b"" if request["op"] == "wait" else echo(request)

    hands = start(server, connection, agent(deaf))
    begun = time.monotonic()

    with pytest.raises(LabError, match=r"^v0: no answer to 'wait' within 0\.3 s\.$"):
        hands.ask("wait", patience_s=0.1)

    assert 0.3 <= time.monotonic() - begun < 1.3
    assert hands.ask("say", text="the next")["said"] == "the next"


def test_host_without_an_agent(connection: Connection) -> None:
    with pytest.raises(LabError, match=r"v0: .*agent.py.* could not be started over SSH"):
        Hands(connection)


def test_closed_hands_end(server: SshServer, connection: Connection) -> None:
    hands = start(server, connection, agent(echo))
    hands.close()
    with pytest.raises(LabError, match=r"v0: .*agent"):
        hands.ask("say")


def test_leaving_lets_the_agent_end_and_waits_for_it(server: SshServer, connection: Connection) -> None:
    ended: list[float] = []

    def slow_to_end(channel: paramiko.Channel) -> None:
        while channel.recv(100):
            pass
        time.sleep(0.1)  # an end that takes its time, which is what is waited for
        ended.append(time.monotonic())
        channel.send_exit_status(0)

    hands = start(server, connection, slow_to_end)
    hands.leave()
    assert ended


def test_agent_that_does_not_end_when_it_is_left(server: SshServer, connection: Connection) -> None:
    forever = threading.Event()

    def act(channel: paramiko.Channel) -> None:
        forever.wait(30)

    hands = start(server, connection, act)
    with pytest.raises(LabError, match=r"^v0: its agent did not end within 0\.2 s\.$"):
        hands.leave()
    forever.set()
