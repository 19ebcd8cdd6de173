"""What a bundle tells of its own making: which packages lie in it, and from what and by what it was made."""
