"""The text of a definition: its files, what they load, and the places of what they say."""
