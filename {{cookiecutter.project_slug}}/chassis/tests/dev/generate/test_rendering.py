import pytest

from chassis.dev.generate.fields import parse_fields
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.rendering import render
from chassis.dev.generate.specification import specify


def test_refuses_an_entity_whose_classes_would_hide_an_import() -> None:
    entity = specify("page", parse_fields(("a:string:filter",)))

    with pytest.raises(GeneratorError, match="two things with the name PageQuery"):
        render(entity)
