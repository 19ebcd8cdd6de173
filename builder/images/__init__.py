"""Images as documents around layers: configurations, Dockerfiles, and what an engine hands out."""
