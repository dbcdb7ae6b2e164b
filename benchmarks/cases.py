"""The requests that all servers are measured with; the table has 31 todos."""

import json
from dataclasses import dataclass

from benchmarks.load import Load

TODOS = 31
CLIENTS = 16


@dataclass(frozen=True)
class Case:
    """Requests of one kind, which clients send in turn."""

    name: str
    requests: tuple[str, ...]
    status: int = 200
    clients: int = CLIENTS

    def load(self, pid: int, port: int, seconds: float) -> Load:
        return Load(pid, port, list(self.requests), self.status, self.clients, seconds)


def request(method: str, path: str, body: object = None) -> str:
    content = "" if body is None else json.dumps(body)
    headers = ["Host: 127.0.0.1", "Accept: application/json", "User-Agent: benchmark"]
    if body is not None:
        headers += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "", content])


KEYS = range(1, TODOS + 1)
PING = Case("ping", (request("GET", "/health/live"),))
ONE = Case("one", tuple(request("GET", f"/v1/todo/{key}") for key in KEYS))
LIST = Case("list", tuple(request("GET", f"/v1/todo?page={page}&per_page=10") for page in (1, 2, 3)))
CREATE = Case("create", (request("POST", "/v1/todo", {"title": "Buy milk"}),), 201)
UPDATE = Case("update", tuple(request("PATCH", f"/v1/todo/{key}", {"completed": True}) for key in KEYS))
CASES = (PING, ONE, LIST, CREATE, UPDATE)
REFUSED = Case("refused by the gate", ONE.requests, 503)
DISTANT = Case("one, 20 ms", ONE.requests, clients=100)
