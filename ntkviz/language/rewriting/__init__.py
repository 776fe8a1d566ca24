"""Rewritings that keep a program's meaning: expanding shorthands, unrolling repeats, and rolling loops."""
