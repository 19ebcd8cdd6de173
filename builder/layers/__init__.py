"""Layers and what goes into them: entries, archives, reproducible tars, and the times in them."""
