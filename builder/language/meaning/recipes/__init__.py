"""What the builder makes: images, artifacts, machine images, and what is put into them."""
