"""Machines on hypervisors: what they are made of, what is known of their disks, and how they come to answer."""
