"""The codes of problems: what each means, and the way out.

A problem's own message names the place and what to do there; this table is for those who look a code up, and for
programs that decide by it. `tests/validator/test_problem_codes.py` keeps it complete.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Explained(NamedTuple):
    """What a code means, as the end of a sentence, and the way out, as a sentence of its own."""

    meaning: str
    way_out: str


PROBLEM_CODES: Mapping[str, Explained] = MappingProxyType(
    {
        # The row and its record
        "missing_id": Explained("The id is blank.", "Fill in the record's id, or delete the row."),
        "bad_id": Explained("The id is not as the target wants it.", "Copy the id again from where it comes from."),
        "lost_zeros": Explained(
            "The id fits only with the leading zeros that a spreadsheet program took off.",
            "Format the column as text, and paste the ids again.",
        ),
        "id_as_number": Explained(
            "A spreadsheet program took an id or a text for a number, a date or a truth value.",
            "Format the column as text, and paste the values again.",
        ),
        "shifted_row": Explained(
            "The id stands in the column beside its own.", "Move the row's cells back under their headings."
        ),
        "duplicate_id": Explained(
            "Another row names the same record.", "Keep one of the rows, or say --on-duplicate last or merge."
        ),
        "ragged_row": Explained(
            "The row has more or fewer cells than there are headings.",
            "Put quotes around a cell that contains the delimiter, and add the cells that are missing.",
        ),
        "hidden_row": Explained(
            "The row is hidden or filtered out in its spreadsheet.",
            "Show the row, or choose with hidden_rows in the config whether such rows are sent, skipped or an error.",
        ),
        "repeated_header": Explained("The row holds the headings again.", "Delete the row."),
        "total_row": Explained("The id looks like the label of a total.", "Delete the row, if it is no record."),
        "ruled_line": Explained("The id looks like a rule between rows.", "Delete the row, if it is no record."),
        "nothing_to_change": Explained(
            "The row sets nothing.", "Fill in at least one of the fields, or delete the row."
        ),
        "likely_refused": Explained(
            "The API is known to refuse such a row; it is sent all the same.",
            "Set one of the fields that the message names.",
        ),
        "holds_key": Explained(
            "A cell contains your API key.", "Remove the key from the file, and change it: others may have seen it."
        ),
        # Rows without ids, and sheets that were pulled
        "no_match": Explained(
            "No record has the values by which this row's record is looked for.",
            "Correct the values to what the record has now.",
        ),
        "several_matches": Explained(
            "More than one record has these values.", "Fill in the id of the right one, or match by one more field."
        ),
        "blank_match": Explained(
            "A value by which the record is looked for is blank.", "Fill in what the record has now."
        ),
        "locked_record": Explained(
            "The record must not be edited.", "Put the old value back, or delete the row; the message says why."
        ),
        "other_record": Explained(
            "The old values in the row are those of another record.",
            "Undo the change of the id, or the sorting of some columns without the others.",
        ),
        "blanked_cell": Explained(
            "A cell was cleared since the pull, which leaves its field as it is.",
            "Write the marker for null or for empty to clear the field.",
        ),
        "bad_expectation": Explained(
            "The field can never have the value that the row expects.", "Correct the expected value."
        ),
        "differing_expectations": Explained(
            "Two rows for one record expect different values of a field.", "Keep one of them."
        ),
        # Cells that spreadsheet programs have changed, and texts with something odd in them
        "error_cell": Explained("The cell holds a formula's error, such as #N/A.", "Correct the cell."),
        "formula_without_value": Explained(
            "The cell holds a formula that was never calculated.",
            "Open the file in your spreadsheet program, and save it.",
        ),
        "formula": Explained("The text is a formula, not its result.", "Paste the value."),
        "number_rounded": Explained("A long number has lost its last digits.", "Type all the digits, as text."),
        "number_format": Explained(
            "The workbook shows the number, the date or the time in another way, such as 1,501, 50 % or 1-Mar.",
            "Format the column as text, and type what you see.",
        ),
        "merged_cell": Explained(
            "The cell is part of a merged one, and blank.", "Unmerge the cells, and fill in each."
        ),
        "mojibake": Explained(
            "The text was read in the wrong encoding: MÃ¼ller.", "Export the file as UTF-8 again, or correct the cell."
        ),
        "replacement_character": Explained("A character was lost when the text was saved.", "Type it again."),
        "control_character": Explained("The text contains a control character.", "Delete it."),
        "invisible_character": Explained(
            "The text contains a character that can't be seen.", "Delete it, or type the text again."
        ),
        "trimmed": Explained(
            "The cell starts or ends with something that can't be seen.",
            "Nothing: it is not sent. If strict, remove it.",
        ),
        "white_space": Explained("The cell holds nothing that can be seen.", "Clear it, or enter a value."),
        "truncated": Explained(
            "The transform truncate has cut the text.", "Shorten the text yourself, if another part of it matters."
        ),
        "blank_before_quote": Explained(
            "A blank stands before a quoted cell, so that its quotes count as text.", "Delete the blank."
        ),
        "infinite_number": Explained(
            "A number in a data frame is infinite.", "Leave the cell blank, or give a finite number."
        ),
        "unreadable_value": Explained(
            "A value in a data frame or a database has no text.",
            "Store it as text, a number, a truth value, a date, or a list or dictionary of these.",
        ),
        # Values
        "required": Explained("The field must be set.", "Fill it in."),
        "too_long": Explained("The text has more characters than allowed.", "Shorten it."),
        "too_short": Explained("The text has fewer characters than needed.", "Lengthen it."),
        "too_small": Explained("The number is below the least that is allowed.", "Give a larger one."),
        "too_large": Explained("The number is above the most that is allowed.", "Give a smaller one."),
        "too_few": Explained("The list has fewer items than needed.", "Add some."),
        "too_many": Explained("The list has more items than allowed.", "Remove some."),
        "not_in_list": Explained("The value is none of those that are allowed.", "Choose one that the message names."),
        "bad_format": Explained("The text is not of the form that the field wants.", "Write it as the message shows."),
        "bad_item": Explained("An item of a list is not what it must be.", "Correct the item that the message names."),
        "not_a_number": Explained(
            "The text is no number.", "Write digits, with the decimal separator that the config says."
        ),
        "not_an_integer": Explained("The text is no whole number.", "Write digits only."),
        "not_a_boolean": Explained("The text is neither true nor false.", "Write true or false."),
        "not_a_date": Explained(
            "The text is no date.", "Write 2026-11-21, or declare your input_formats in the target."
        ),
        "not_a_datetime": Explained(
            "The text is no date with a time.",
            "Write 2026-11-21T18:45:00Z, or declare your input_formats in the target.",
        ),
        "no_time_zone": Explained(
            "It is not clear which moment the time means.", "Add Z or an offset, such as +01:00."
        ),
        "not_json": Explained("The text is not JSON.", "Correct it at the place that the message names."),
        "wrong_json_type": Explained("The JSON is of another type than the field wants.", "Write one of that type."),
        "null_not_allowed": Explained("The field can't be null.", "Leave the cell blank to keep the field as it is."),
        "empty_not_allowed": Explained("The field can't be empty.", "Leave the cell blank to keep the field as it is."),
        "list_gap": Explained(
            "A cell in the middle of a list is blank, and would end it.", "Fill it in, or move the items up."
        ),
        "marker_in_list": Explained(
            "A marker for a whole list stands in the cell of one item.",
            "Write it into the list's first cell, and leave the others blank.",
        ),
        "incomplete_template": Explained(
            "A column from which a field is computed is blank.", "Fill it in, or leave all of them blank."
        ),
        "incomplete_object": Explained(
            "The API replaces an object as a whole, and the row does not have all of it.",
            "Add the columns that the message names, or pull the records again.",
        ),
        "whole_and_part": Explained(
            "The row sets an object as a whole and also a part of it.", "Leave one of the two blank."
        ),
    }
)
