"""What images are made of: layers, the times in them, and the documents around them."""
