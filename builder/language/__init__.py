"""The definition language: a project's .star files become an Evaluation; the only room that imports starlark."""
