"""Verbs for carrying bundles: on sticks that are too small, or after one has failed."""
