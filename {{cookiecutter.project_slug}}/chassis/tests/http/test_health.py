from quart.typing import TestClientProtocol as Client
from sqlalchemy import text
from sqlalchemy.engine import make_url

from chassis.app import ChassisApp
from chassis.persistence.database import Database
from chassis.persistence.readiness import MigratedDatabase


async def test_is_ready_on_a_migrated_database(client: Client) -> None:
    response = await client.get("/health/ready")

    assert (response.status_code, await response.get_json()) == (200, {"status": "ok", "maintenance": False})


async def test_is_not_ready_before_the_migrations(client: Client, database: Database) -> None:
    async with database.transaction(), database.session() as session:
        await session.execute(text("ALTER TABLE alembic_version RENAME TO elsewhere"))
    try:
        response = await client.get("/health/ready")
    finally:
        async with database.transaction(), database.session() as session:
            await session.execute(text("ALTER TABLE elsewhere RENAME TO alembic_version"))

    assert response.status_code == 503
    assert "quart db upgrade" in (await response.get_json(force=True))["error_message"]


async def test_is_alive_but_not_ready_if_the_database_is_unreachable(app: ChassisApp, client: Client) -> None:
    unreachable = Database(make_url("postgresql+asyncpg://nobody@127.0.0.1:1/nothing"))
    with app.container.readiness.override(MigratedDatabase(unreachable)):
        live, ready = await client.get("/health/live"), await client.get("/health/ready")

    assert (live.status_code, ready.status_code) == (200, 503)
    assert (await ready.get_json(force=True))["error_message"] == "The database is not available, try again later."
