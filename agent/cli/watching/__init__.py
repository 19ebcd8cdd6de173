"""Verbs that tell how a site is and was."""
