"""The online wing: a definition becomes a signed bundle."""
