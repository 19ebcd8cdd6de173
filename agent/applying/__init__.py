"""What an apply does to a site, on disk before it is done, and how what was interrupted is ended."""
