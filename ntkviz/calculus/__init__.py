"""The Z calculus: limits of any program's coordinates, and what follows from the Master Theorem."""
