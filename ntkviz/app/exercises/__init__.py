"""Questions to the reader, and the checks of their answers."""
