"""Turns the cells of fields that are not plain text into values of their type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Problem
from batchupdate.validator.types import RefusedError, item_parser, parser

if TYPE_CHECKING:
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap


class TypedValues:
    """Turns the cells of fields that are not plain text into values of their type; what can't be is a problem."""

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._lists = target.lists
        fields = [(mapped, target.fields[mapped.field]) for mapped in columns.mapped if mapped.field in target.fields]
        parsers = [
            (mapped, (parser if mapped.item is None else item_parser)(mapped.name, rule, columns.decimal))
            for mapped, rule in fields
        ]
        self._parsers = [(mapped, parse) for mapped, parse in parsers if parse]

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for mapped, parse in self._parsers:
            name = mapped.name
            for position, record in enumerate(batch.records):
                if name not in record:
                    continue
                try:
                    record[name] = value = parse(record[name])
                    if value == [] and name in self._lists:  # an empty array clears the field, as <empty> does
                        batch.set_aside_value(position, name, record.pop(name))
                except RefusedError as error:
                    cell = record.pop(name)
                    batch.set_aside_value(position, name, cell)
                    batch.problems.add(
                        Problem(error.code, batch.rows[position].number, mapped.heading, cell, str(error))
                    )
