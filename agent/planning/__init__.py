"""What shall be against what is: plans made of values, without any effect."""
