"""What the agent acts on: Protocols of few repeatable verbs, and their implementations."""
