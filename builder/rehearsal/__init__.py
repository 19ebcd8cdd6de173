"""A definition tried before anything is built: bound to sample values or to a site, and asked where a value is from."""
