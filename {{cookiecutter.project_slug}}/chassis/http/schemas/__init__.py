"""The names with which controllers write their schemas."""

from chassis.http.schemas.body import BodySchema, unset
from chassis.http.schemas.decimals import Decimal
from chassis.http.schemas.form import FormSchema
from chassis.http.schemas.json_value import Json
from chassis.http.schemas.page import CursorPageSchema, ItemsSchema, PageQuery, PageSchema
from chassis.http.schemas.query import Cursor, QuerySchema, sort_by
from chassis.http.schemas.types import BigInteger, Date, Email, Id, Integer, Moment, Text, Url, VisibleText

__all__ = [
    "BigInteger",
    "BodySchema",
    "Cursor",
    "CursorPageSchema",
    "Date",
    "Decimal",
    "Email",
    "FormSchema",
    "Id",
    "Integer",
    "ItemsSchema",
    "Json",
    "Moment",
    "PageQuery",
    "PageSchema",
    "QuerySchema",
    "Text",
    "Url",
    "VisibleText",
    "sort_by",
    "unset",
]
