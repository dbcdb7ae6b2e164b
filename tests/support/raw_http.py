"""HTTP byte by byte, for requests that no client library sends."""

import re
import socket
from contextlib import suppress

STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d)")
WEBSOCKET_HEADERS = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
HTTP_2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def encode(line: str, *headers: str, host: str = "localhost", body: bytes = b"") -> bytes:
    """A request; `line` is its first line without the version."""
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1") + body


def receive_head(connection: socket.socket) -> bytes:
    """Everything up to the end of the headers, or what arrives before the connection is closed."""
    received = b""
    with suppress(ConnectionError):
        while b"\r\n\r\n" not in received and (data := connection.recv(65536)):
            received += data
    return received


def receive_all(connection: socket.socket) -> bytes:
    """Everything that arrives until the connection is closed."""
    received = b""
    with suppress(ConnectionError):
        while data := connection.recv(65536):
            received += data
    return received


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in STATUS.findall(answers)]


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """A frame of HTTP/2: https://www.rfc-editor.org/rfc/rfc9113#section-4.1"""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload
