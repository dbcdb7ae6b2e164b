"""Models for tests; their tables are created next to those of the migrations."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, MetaData, Select, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from chassis.domain.ports import Params
from chassis.persistence.model import NAMING_CONVENTION, ModelExtension
from chassis.persistence.repository import Repository


class Sample(ModelExtension):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class User(Sample):
    __tablename__ = "sample_users"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False, unique=True)
    pets = relationship("Pet", viewonly=True)

    def __repr__(self) -> str:
        return self.repr(id=self.id, name=self.name)


class Pet(Sample):
    __tablename__ = "sample_pets"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey(User.id))


class UserRepository(Repository):
    base_class = User
    DEFAULT_NOT_FOUND_MESSAGE = "User was not found"

    def _apply_query_params(self, query: Select[Any], query_params: Params) -> Select[Any]:
        name = self.get_query_param("name", query_params)
        if name:
            query = query.filter_by(name=name)
        return query


class PetRepository(Repository):
    base_class = Pet
