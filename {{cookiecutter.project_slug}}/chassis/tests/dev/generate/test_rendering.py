from pathlib import Path

import pytest

from chassis.dev.generate.fields import parse_fields
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.rendering import render
from chassis.dev.generate.specification import specify


def test_refuses_an_entity_whose_classes_would_hide_an_import() -> None:
    entity = specify("page", parse_fields(("a:string:filter",)))

    with pytest.raises(GeneratorError, match="two things with the name PageQuery"):
        render(entity)


@pytest.mark.parametrize(("field", "counts"), [("a:uuid:unique", False), ("a:string{20}:unique", True)])
def test_a_factory_counts_only_for_a_field_that_needs_a_number(field: str, counts: bool) -> None:
    texts = render(specify("okapi", parse_fields((field,))))

    assert ("number" in texts[Path("tests/factories/okapi.py")]) is counts
