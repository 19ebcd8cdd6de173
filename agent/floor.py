"""What this agent was built with, below which it goes for nobody: no deleted or restored file lowers it (THREATS 9)."""

from bundle_format.trust.admission import Floor

FLOOR = Floor()
"""A site's own agent is built with the newest root and sequences in here; this one has none."""
