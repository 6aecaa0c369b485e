"""Forecasting: the next steps of one series or of many, from their past."""
