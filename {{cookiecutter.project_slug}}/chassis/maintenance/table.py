"""The table that all instances share; it has one row, or none until somebody activates the window."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, SmallInteger, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chassis.maintenance.service_context import MESSAGE_LENGTH
from chassis.persistence.model import ModelExtension


class ServiceContextModel(ModelExtension):
    __tablename__ = "service_context"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    maintenance: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    message: Mapped[str | None] = mapped_column(String(MESSAGE_LENGTH))
    expected_end: Mapped[datetime | None]
    since: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    updated_by: Mapped[str | None] = mapped_column(String(255))
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))

    def __repr__(self) -> str:
        return self.repr(id=self.id, maintenance=self.maintenance, version=self.version)
