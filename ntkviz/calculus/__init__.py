"""The Z calculus: limits of any program's coordinates, and consequences of the Master Theorem."""
