"""What the project is compared with, and counts of its code."""
