"""Helpers of the tests; pytest rewrites the assertions in those that are plugins, as it does in test modules."""

import pytest

PLUGINS = (
    "support.browser",
    "support.client_tools",
    "support.containers",
    "support.database_server",
    "support.entrances",
    "support.environments",
    "support.haproxy",
    "support.nginx",
    "support.postgres",
    "support.proxied_services",
    "support.service",
)
pytest.register_assert_rewrite(*PLUGINS, "support.pages")
