"""Functions that act on each coordinate: the ready ones, and what is known of an author's own."""
