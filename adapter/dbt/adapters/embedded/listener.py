"""Nobody but this process talks to the embedded engine, which knows no password.

Sail listens at a port of this machine. On Linux a packet filter of the listening socket first
lets in requests to connect and nothing that follows them, then our own connection alone. The
connections that the socket accepts inherit it, and it cannot be changed any more.
"""

import ctypes
import os
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

import grpc
from dbt.adapters.events.logging import AdapterLogger
from dbt_common.exceptions import DbtRuntimeError

SO_ATTACH_FILTER, SO_LOCK_FILTER = 26, 44  # of linux/socket.h
LISTEN, SYN_RECV, TIME_WAIT = "0A", "03", "06"  # states in /proc/net/tcp
CONNECT_SECONDS = 10
CHANNEL_OPTIONS = [
    ("grpc.client_idle_timeout_ms", 2**31 - 1),  # for ever: it could not connect again
    ("grpc.keepalive_time_ms", 2**31 - 1),
]

logger = AdapterLogger("Embedded")


class UnreachableError(DbtRuntimeError):
    """What listens does not answer."""


def connect(port: int, options: list[tuple[str, Any]]) -> grpc.Channel:
    """The only channel to what listens at `port` of 127.0.0.1 in this process.

    Warns and returns an ordinary channel where the filter cannot be attached. Shuts the port and
    raises UnreachableError when nothing answers, DbtRuntimeError when somebody else has connected
    before.
    """

    def channel() -> grpc.Channel:
        return grpc.insecure_channel(f"127.0.0.1:{port}", options=options + CHANNEL_OPTIONS)

    if sys.platform != "linux":
        return channel()
    try:
        listener = _listener(port)
        _attach(listener, _requests_to_connect())
        strangers = _connected(port)
    except OSError as error:
        logger.warning(f"other users of this machine can use the embedded engine: {error}")
        return channel()
    if strangers:
        shut(port)
        raise DbtRuntimeError("another process has connected to the embedded engine: start again")
    ours = channel()
    ready = grpc.channel_ready_future(ours)
    try:
        own_port = _own_port(port)
        _attach(listener, _packets_from(own_port))
        _set(listener, SO_LOCK_FILTER, 1)
        ready.result(timeout=CONNECT_SECONDS)
    except (OSError, grpc.FutureTimeoutError) as error:
        ours.close()
        shut(port)
        reason = str(error) or f"no answer after {CONNECT_SECONDS} s"
        raise UnreachableError(f"the embedded engine cannot be reached: {reason}") from error
    return ours


def shut(port: int) -> None:
    """Ends the listening socket at `port` in this process, and what it has accepted."""
    for fd, own, _ in _sockets():
        if own == port:
            open_socket = socket.socket(fileno=fd)
            try:
                open_socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            finally:
                open_socket.detach()


def _sockets() -> list[tuple[int, int, int]]:
    """Of each TCP socket of this process: descriptor, own port and port of the peer, 0: none."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            candidate = socket.socket(fileno=int(name))
        except OSError:  # no socket
            continue
        try:
            if candidate.family in (socket.AF_INET, socket.AF_INET6):
                own, peer = candidate.getsockname()[1], 0
                if not candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    peer = candidate.getpeername()[1]
                found.append((int(name), own, peer))
        except OSError:  # not connected, or closed meanwhile
            continue
        finally:
            candidate.detach()
    return found


def _listener(port: int) -> int:
    """The descriptor of the socket that listens at `port`."""
    for fd, own, peer in _sockets():
        if own == port and not peer:
            return fd
    raise OSError("its socket is not to be seen")


def _connected(port: int) -> bool:
    """True when somebody has connected to `port` of this machine and has not gone."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    entries = [line.split()[1:4] for line in lines]
    return any(
        local.endswith(f":{port:04X}") and state not in (LISTEN, SYN_RECV, TIME_WAIT)
        for local, _, state in entries
    )


def _own_port(port: int) -> int:
    """The port from which this process has connected to `port`; waits for it."""
    until = time.monotonic() + CONNECT_SECONDS
    while time.monotonic() < until:
        for _, own, peer in _sockets():
            if peer == port:
                return own
        time.sleep(0.001)
    raise TimeoutError(f"no connection after {CONNECT_SECONDS} s")


# Filters in the code of the classic BPF, which sees a packet from its TCP header on.

LOAD_BYTE, LOAD_HALF, EQUAL, RETURN = 0x30, 0x28, 0x15, 0x06
SOURCE_PORT, FLAGS, SYN = 0, 13, 0x02


def _accept_if(load: int, offset: int, value: int) -> bytes:
    steps = [
        (load, 0, 0, offset),
        (EQUAL, 0, 1, value),
        (RETURN, 0, 0, 0xFFFFFFFF),  # the whole packet
        (RETURN, 0, 0, 0),  # nothing of it
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _requests_to_connect() -> bytes:
    return _accept_if(LOAD_BYTE, FLAGS, SYN)


def _packets_from(port: int) -> bytes:
    return _accept_if(LOAD_HALF, SOURCE_PORT, port)


def _attach(fd: int, code: bytes) -> None:
    program = ctypes.create_string_buffer(code)
    _set(fd, SO_ATTACH_FILTER, struct.pack("HP", len(code) // 8, ctypes.addressof(program)))


def _set(fd: int, option: int, value: Any) -> None:
    listener = socket.socket(fileno=fd)
    try:
        listener.setsockopt(socket.SOL_SOCKET, option, value)
    finally:
        listener.detach()
