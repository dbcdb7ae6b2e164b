"""Several instances of one service, and clients that ask one of them over one connection."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support.applications import add_controller
from support.service import START_TIMEOUT, Commands, Service
from support.template import Generate
from support.waiting import wait_until

SERVICE_CONTEXT = "/v1/service-context"
ACTIVE = {"maintenance": True}
INACTIVE = {"maintenance": False}

Call = tuple[str, str, Mapping[str, object] | None]  # method, path, body
STATUS: Call = ("GET", "/instance", None)


def generate_with_instance_controller(generate: Generate) -> Path:
    project = generate()
    add_controller(project, "instance")
    return project


class InstanceClient:
    """One connection to one instance; only one thread at a time may use it."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT)

    def ask(self, call: Call = STATUS) -> tuple[int, Any]:
        """Return the status, and the body if that is JSON."""
        method, path, data = call
        body = None if data is None else json.dumps(data)
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, json.loads(content) if is_json else None

    def set_maintenance(self, active: bool) -> tuple[int, Any]:
        return self.ask(("PATCH", SERVICE_CONTEXT, ACTIVE if active else INACTIVE))

    @property
    def is_refused(self) -> bool:
        """True if the gate of the instance is closed."""
        return self.ask()[0] == 503

    def close(self) -> None:
        self._connection.close()


@contextmanager
def connect_to(*ports: int) -> Iterator[list[InstanceClient]]:
    clients = [InstanceClient(port) for port in ports]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


@contextmanager
def serve_instances(commands: Commands, project: Path, *settings: Mapping[str, str]) -> Iterator[list[Service]]:
    """Start an instance for each of the settings, all at the same time."""
    managers = [
        commands.serve(project, answers=f"{each.get('SERVICE_PREFIX', '')}/health/live", **each) for each in settings
    ]
    with ExitStack() as stack, ThreadPoolExecutor(len(managers)) as pool:
        yield list(pool.map(stack.enter_context, managers))


def switch_and_wait(followers: Sequence[InstanceClient], operator: InstanceClient, active: bool) -> float:
    """Switch the maintenance window and return when the last follower noticed, in seconds since the epoch.

    The connection of `operator` must not be one of the followers' connections.
    """
    with ThreadPoolExecutor(len(followers)) as pool:
        following = [pool.submit(wait_until, partial(has_followed, client, active)) for client in followers]
        status, body = operator.set_maintenance(active)
        for each in following:
            each.result()
        followed = time.time()
    if (status, body["maintenance"]) != (200, active):
        raise RuntimeError(f"PATCH was answered with {status}: {body}")
    return followed


def has_followed(client: InstanceClient, active: bool) -> bool:
    return client.is_refused == active
