"""The cards of the chapters of part three."""
