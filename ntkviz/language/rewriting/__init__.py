"""Rewritings of programs that keep their meaning: in full, unrolled, or with loops rolled up."""
