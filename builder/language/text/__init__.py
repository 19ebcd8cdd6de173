"""The text of a definition: its files, their places, what can be seen without running them."""
