"""An empty PostgreSQL for migrations; the database of the service is never used for that."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.postgres import configured_uri, temporary_server
from chassis.dev.postgres_wheel import PostgresError
from chassis.dev.testing.migrations import new_database
from chassis.persistence.url import parse_url


@contextmanager
def empty_database() -> Iterator[str]:
    """Give the URI of an empty database: of the wheel, else a new one on the server that is configured.

    Raises:
        GeneratorError: there is neither.
    """
    with ExitStack() as stack:
        try:
            uri = stack.enter_context(temporary_server())
        except PostgresError as error:
            uri = stack.enter_context(_new_database(error))
        yield uri


@contextmanager
def _new_database(reason: PostgresError) -> Iterator[str]:
    configured = configured_uri()
    if not configured:
        raise GeneratorError(
            f"{str(reason).rstrip('.')}: set SQLALCHEMY_DATABASE_URI, or add --no-migration."
        ) from reason
    database = new_database(parse_url(configured))
    with asyncio.Runner() as runner:
        url = runner.run(database.__aenter__())
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            runner.run(database.__aexit__(None, None, None))
