"""Fetching over HTTP: tried again, gone on with after a cut, and proved; what registries and repositories share."""
