import re

from chassis.config import ROOT
from src.config import Config

SETTING = re.compile(r"^(?:# )?([A-Z][A-Z_]+)=", re.MULTILINE)


def test_the_example_file_names_every_setting_and_no_other() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert sorted(SETTING.findall(text)) == sorted(Config.model_fields)
