"""Nobody but the process that builds can use its engine."""

import os
import socket
import sys

import pytest
from dbt.adapters.embedded import engines, listener
from dbt_common.exceptions import DbtRuntimeError

STRANGER = """
import os, socket, sys
if os.getuid() == 0:
    os.setuid(65534)
with socket.socket() as stranger:
    stranger.settimeout(2)
    try:
        stranger.connect(("127.0.0.1", int(sys.argv[1])))
        print("connected")
    except OSError as error:
        print(type(error).__name__)
"""
MODEL = """
    import subprocess
    import sys

    from dbt.adapters.embedded import engines


    def model(dbt, session):
        port = engines._sail_server.listening_address[1]
        command = [sys.executable, "stranger.py", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=dbt.config.get("folder"))
        answer = done.stdout.strip() or done.stderr
        return session.sql(f"select id, '{answer}' as answer from range(2)")
    """

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="closed on Linux only")


def test_nobody_else_connects_during_a_build(project):
    folder = str(project.folder)
    project.write(
        {
            "stranger.py": STRANGER,
            "models/m.py": MODEL,
            "models/m.yml": f"models: [{{name: m, config: {{folder: '{folder}'}}}}]",
            "models/n.sql": "select * from {{ ref('m') }}",
        }
    )
    os.chmod(folder, 0o755)
    project.build()
    assert project.rows("n") == [{"id": n, "answer": "TimeoutError"} for n in range(2)]


def test_second_session_shares_the_connection():
    first, second = engines.start_engine("sail"), engines.start_engine("sail")
    second.range(3).createOrReplaceTempView("numbers")
    assert second.table("numbers").count() == 3
    assert not first.catalog.tableExists("numbers")
    second.stop()
    assert first.range(3).count() == 3
    assert engines.start_engine("sail").range(3).count() == 3


def test_start_ends_where_somebody_was_faster():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address) as stranger:
            accepted, _ = server.accept()
            with accepted, pytest.raises(DbtRuntimeError, match="another process has connected"):
                listener.connect(address[1], [])
            assert stranger.recv(1) == b""
        with pytest.raises(OSError):  # noqa: PT011
            socket.create_connection(address, timeout=2)


@pytest.mark.parametrize("failures", [1, 3])
def test_server_that_does_not_answer_is_replaced(monkeypatch, failures):
    own_port, tries = listener._own_port, []

    def wrong_at_first(port):
        tries.append(port)
        return own_port(port) if len(tries) > failures else 1

    monkeypatch.setattr(engines, "_sail_server", None)
    monkeypatch.setattr(listener, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(listener, "_own_port", wrong_at_first)
    if failures == engines.STARTS:
        with pytest.raises(DbtRuntimeError, match="cannot be reached: no answer after 1 s"):
            engines.start_engine("sail")
        assert len(set(tries)) == engines.STARTS
        return
    session = engines.start_engine("sail")
    assert session.range(3).count() == 3
    assert len(set(tries)) == failures + 1
    session.stop()
    engines._sail_server.stop()


def test_build_goes_on_where_nothing_can_be_closed(monkeypatch):
    def refuse(*_):
        raise PermissionError("not here")

    warnings = []
    monkeypatch.setattr(engines, "_sail_server", None)
    monkeypatch.setattr(listener, "_attach", refuse)
    monkeypatch.setattr(listener.logger, "warning", warnings.append)
    session = engines.start_engine("sail")
    assert session.range(3).count() == 3
    assert warnings == ["other users of this machine can use the embedded engine: not here"]
    session.stop()
    engines._sail_server.stop()
