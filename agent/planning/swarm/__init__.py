"""What becomes of services: what must be done to them, and what is in the way of it."""
