"""One site: the file that its integrator writes, and what a release becomes there."""
