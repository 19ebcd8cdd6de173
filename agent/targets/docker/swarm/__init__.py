"""A docker swarm, asked through one of its managers."""
