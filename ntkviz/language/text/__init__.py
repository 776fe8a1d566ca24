"""Programs as text, LaTeX and graphs."""
