"""Made-up models obey the same law as those of `test_kinds.py`; FUZZ_EXAMPLES sets their number (`make fuzz`)."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis.configuration import set_hypothesis_home_dir
from sqlalchemy import URL, MetaData

from chassis.tests.migrations.models.random_models import random_models
from chassis.tests.migrations.workbench import Workbench, open_workbench

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 30)


def test_random_models_migrate_up_and_down_and_have_no_difference(url: URL, tmp_path: Path) -> None:
    set_hypothesis_home_dir(tmp_path / "hypothesis")
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        workbench = runner.run(stack.enter_async_context(open_workbench(url, tmp_path / "migrations", MetaData())))

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,  # the same models each time
            database=None,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(random_models())
        def obey_the_law(metadata: MetaData) -> None:
            runner.run(check_law(workbench, metadata))

        try:
            obey_the_law()
        finally:
            runner.run(stack.aclose())


async def check_law(workbench: Workbench, metadata: MetaData) -> None:
    await workbench.reset(metadata)
    await workbench.migrate()
    await workbench.upgrade()
    await workbench.check()
    before = await workbench.leftovers()
    await workbench.downgrade()
    assert await workbench.leftovers() == set()
    await workbench.upgrade()
    assert await workbench.leftovers() == before
