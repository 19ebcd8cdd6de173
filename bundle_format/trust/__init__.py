"""Which keys a site believes, and what their signatures are worth: bytes in, verdicts out."""
