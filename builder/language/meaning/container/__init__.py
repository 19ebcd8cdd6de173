"""What runs on hosts: containers and tasks with all that they are given."""
