"""How the builder's work is done: other programs as children, order among many things, and a memory."""
