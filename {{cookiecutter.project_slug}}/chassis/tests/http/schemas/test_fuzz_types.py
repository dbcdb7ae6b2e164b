"""Schemathesis generates requests to a sample application that uses every type of `chassis.http.schemas`."""

from pathlib import Path

from sqlalchemy import URL

from chassis.tests.fuzzing import CHASSIS_REQUESTS, EXAMPLES, run_schemathesis, serve


def test_answers_as_the_types_of_schemas_document(database_url: URL, tmp_path: Path) -> None:
    phases = () if EXAMPLES else ("--phases", "fuzzing")  # the others need a minute

    options = ("--include-path-regex", "^/catalog/(books|shelves)", *phases)

    with serve("chassis.tests.sample.app:app", database_url) as url:
        run_schemathesis(url, tmp_path, *options, requests=CHASSIS_REQUESTS)
