"""What the words mean: calls as they were written become strict trees and recipes, with every fault at its place."""
