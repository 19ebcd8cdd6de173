"""Machines on this computer itself, by qemu: for developers who have no ESX."""
