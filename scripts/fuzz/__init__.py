"""Coverage-guided fuzzing of all that reads what came on a stick."""

import atheris

# Whatever is imported first is what gets instrumented, so it happens here, before any target is.
with atheris.instrument_imports(include=["bundle_format"]):
    import bundle_format.reader  # noqa: F401
