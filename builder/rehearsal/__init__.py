"""A definition before anything is built: bound to a site, and asked where a value is from."""
