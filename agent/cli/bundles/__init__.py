"""Verbs that look into bundles."""
