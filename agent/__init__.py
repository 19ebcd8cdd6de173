"""The offline wing: a signed bundle becomes a running site."""
