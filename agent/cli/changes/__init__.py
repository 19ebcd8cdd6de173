"""Verbs that change a site, and those that end what was begun."""
