"""The words of a definition: each is a signature and its documentation, from which prelude and reference are made."""
