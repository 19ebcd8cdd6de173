"""The foundation: what a bundle is and what a release means, for builder and agent alike."""

__version__ = "0.1.0"
