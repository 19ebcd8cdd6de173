"""What a product's owners do with their keys: make them, hand them over, sign."""
