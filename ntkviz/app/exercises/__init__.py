"""Questions to the reader, and what checks the answers."""
