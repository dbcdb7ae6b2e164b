# mypy: disable-error-code="no-untyped-def"
from sqlalchemy import Column, Integer, String

from src.infrastructure.models.model_extension import ModelExtension


class User(ModelExtension):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False)

    def __repr__(self):
        return self.repr(id=self.id, name=self.name)
