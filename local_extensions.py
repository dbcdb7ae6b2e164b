"""Checks the answers as soon as they are given.

A hook is late, the folder of the project exists by then, and cookiecutter prints a traceback when
one fails. A Jinja extension runs before, and its error is printed as it is. Cookiecutter looks for
them here: https://cookiecutter.readthedocs.io/en/stable/advanced/local_extensions.html
"""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

HOOK = Path(__file__).parent / "hooks" / "pre_gen_project.py"


class CheckedAnswers(Extension):
    """Offers the filter `checked`: nothing for good answers, else an error with what to type.

    `template_folder` is where the template is, for the hook that copies its pages.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["checked"] = checked
        environment.globals["template_folder"] = str(Path(__file__).parent)


def checked(answers: Mapping[str, Any]) -> str:
    sentences = runpy.run_path(str(HOOK))["problems"](answers)
    if sentences:
        raise FailedHookException("\n".join(sentences))
    return ""
