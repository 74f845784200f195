"""What was, as tables: for notebooks and for ``stakewarden history``."""

from monitor.history.series import HistoryError, Moment, history, moment, past_table

__all__ = ["HistoryError", "Moment", "history", "moment", "past_table"]
