"""Makes the sample files from the records that the sandbox starts with; run it again after changing it."""

from __future__ import annotations

import csv
from pathlib import Path

import xlsxwriter

from batchupdate.sandbox import make_records

HERE = Path(__file__).parent.parent / "samples"
TEAMS = ["Sales", "Finance", "People", "Legal", "Support", "Größe & Maß", "Engineering", "日本 Office"]
KINDS = ["HubSpot", "Jira", "Notion", "Zendesk", "Airtable"]


def main() -> None:
    """Writes one clean file for each target, and one with mistakes for `check`."""
    records = make_records()
    with (HERE / "langdock-renames.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Integration ID", "Name", "Description", "Color", "Owner"])
        for number, record in enumerate(records.langdock[:32]):
            team, kind = TEAMS[number % len(TEAMS)], KINDS[number % len(KINDS)]
            description = f"{kind} of the team {team}, kept by operations" if number % 3 else ""
            color = f"#{(number * 520_193 + 0x1A73E8) % 0x1000000:06X}" if number % 4 == 0 else ""
            writer.writerow([record.id, f"{team} – {kind} {number + 1:03}", description, color, "ops"])
    with xlsxwriter.Workbook(HERE / "nairi-renames.xlsx") as book:
        sheet, text = book.add_worksheet("renames"), book.add_format({"num_format": "@"})
        sheet.set_column(0, 0, 34, text)
        sheet.set_column(1, 1, 36)
        sheet.write_row(0, 0, ["id", "name"], book.add_format({"bold": True}))
        for number, record in enumerate(records.nairi[:18], 1):
            sheet.write_string(number, 0, record.id, text)
            sheet.write_string(number, 1, f"{TEAMS[number % len(TEAMS)]} model {number:03}")
    with (HERE / "with-mistakes.csv").open("w", newline="", encoding="cp1252") as file:
        writer = csv.writer(file, delimiter=";")
        ids = [record.id for record in records.langdock[40:46]]
        writer.writerow(["integration_id", "New name", "description", "icon-url", "color"])
        writer.writerow([ids[0], "Größe", "", "", ""])
        writer.writerow([ids[1], "A name that is a good deal longer than forty characters", "", "", ""])
        writer.writerow([ids[2][:-1], "The id lost its last digit", "", "", ""])
        writer.writerow([ids[3], "", "", "", ""])
        writer.writerow([ids[4], "<null>", "", "", ""])
        writer.writerow([ids[5], "First of two", "", "", ""])
        writer.writerow([ids[5].upper(), "Second of two", "", "", ""])
        writer.writerow([ids[0], "Green", "", "cdn.example.com/x.png", "green"])


if __name__ == "__main__":
    main()
