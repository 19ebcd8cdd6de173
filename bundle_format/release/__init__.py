"""The resolved release and its meaning: what is shipped, what a site adds, what shall run there."""
