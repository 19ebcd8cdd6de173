"""The verbs of those who write a definition: is it sound, what does it say, what would a site make of it."""
