"""What is proposed for an option that does not exist: the options that it is a slip of."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class NearOptionsGroup(TyperGroup):
    """A group of commands that proposes only options like the one that was typed; click's own measure counts dashes."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - click's context, and what the command returns
        """Runs the command that was named."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            _keep_near(error)
            raise


def _keep_near(error: Exception) -> None:
    """Takes out of click's proposals those that are not like what was typed."""
    typed, proposed = getattr(error, "option_name", None), getattr(error, "possibilities", None)
    if isinstance(typed, str) and isinstance(proposed, list):
        from batchupdate.util.nearest import nearest

        proposed[:] = nearest(typed, proposed, len(proposed) or 1)
