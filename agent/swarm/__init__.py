"""Swarms as the agent knows them: what their managers report, and what can be done to services."""
