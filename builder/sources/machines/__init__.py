"""Where machine images come from."""
