"""Workbooks: xlsx, xlsm, xlsb, xls, ods."""
