"""How work under way and sizes look to a person."""
