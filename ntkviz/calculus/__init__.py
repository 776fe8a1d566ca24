"""The Z calculus: the limits of coordinates in any program, and consequences of the Master Theorem."""
