"""Gathering, kind by kind: artifacts, the engine's images and those that need no engine."""
