"""Verbs for the days between releases."""
