"""The errors of formulas, as spreadsheet programs write them when they save a sheet as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Excel's names in English, which LibreOffice and Google Sheets share; below them those of languages that translate
# them: a sheet is saved in the words that its user sees.
_NAMES = frozenset(
    word
    for line in (
        "#NULL! #DIV/0! #VALUE! #REF! #NAME? #NUM! #N/A #GETTING_DATA",
        "#SPILL! #CALC! #FIELD! #BLOCKED! #CONNECT! #UNKNOWN! #BUSY! #EXTERNAL! #TIMEOUT! #PYTHON! #ERROR! #MACRO?",
        "#NV #BEZUG! #WERT! #ZAHL! #ÜBERLAUF! #KALK! #FELD!",
        "#VALEUR! #NOM? #NOMBRE! #NUL! #PROPAGATION! #EPARS! #CALCUL! #CHAMP!",
        "#N/D #¡NULO! #¡DIV/0! #¡VALOR! #¡REF! #¿NOMBRE? #¡NUM! #¡DESBORDAMIENTO! #¡CALC!",
        "#NULLO! #VALORE! #RIF! #NOME? #NULO! #VALOR! #NÚM! #DESPEJAR! #ESPANSIONE!",
        "#LEEG! #DEEL/0! #WAARDE! #VERW! #NAAM? #GETAL! #N/B #OVERLOOP!",
        "#ZERO! #DZIEL/0! #ARG! #ADR! #NAZWA? #LICZBA! #N/D! #ROZLANIE!",
        "#SKÄRNING! #DIVISION/0! #VÄRDEFEL! #REFERENS! #NAMN? #OGILTIGT! #SAKNAS!",
        "#VÆRDI! #REFERENCE! #NAVN? #I/T #VERDI! #TALL!",
        "#ПУСТО! #ДЕЛ/0! #ЗНАЧ! #ССЫЛКА! #ИМЯ? #ЧИСЛО! #Н/Д",  # noqa: RUF001 - Russian
    )
    for word in line.split()
)
# LibreOffice numbers the errors for which Excel has no name (Err:501 to Err:540, in French with a blank). A number
# or date that is wider than its column is shown, and by some programs saved, as number signs.
_numbered = re.compile(r"ERR ?:[0-9]{3}|#{3,}").fullmatch


def is_error_value(cell: str) -> bool:
    """Whether a text is nothing but the error of a formula, or the number signs of a column that is too narrow."""
    text = cell.strip().upper()
    return text in _NAMES or bool(_numbered(text))


def error_values(rows: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Where such texts stand among some rows: the place of the row and that of the cell in it, both from 0.

    A search over the joined cells proves most batches free of them.
    """
    joined = "".join(map("".join, rows))
    if "#" not in joined and "Err" not in joined:
        return
    for at, cells in enumerate(rows):
        for place, cell in enumerate(cells):
            if ("#" in cell or "Err" in cell) and is_error_value(cell):
                yield at, place
