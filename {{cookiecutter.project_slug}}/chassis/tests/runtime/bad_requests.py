"""Requests that a client should not send, byte by byte."""

import socket
import struct

H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
BROKEN_HANDSHAKES = [
    [*WEBSOCKET, "Sec-WebSocket-Protocol: \xff"],
    [*WEBSOCKET, "Sec-WebSocket-Extensions: \xff"],
    [*WEBSOCKET, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=a"],
]
MESSAGE = b"\x81\x81\0\0\0\0a"  # a websocket frame with the text a, which is masked with zeros
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # its preface and empty settings


def encode_get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


CHUNKS = encode_get("/ignore", "Transfer-Encoding: chunked").replace(b"GET", b"POST") + b"1\r\na\r\n" * 1000


def reset(client: socket.socket) -> None:
    """Close the connection so that the server sees an error, and no end of the data."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
