"""Ordinary models as real source files, each an architecture for all readings; the course shows them.

Only `traced` needs JAX and the models' libraries; it is imported by name, where computations run.
"""

from .models import MODELS, PUZZLES, GalleryModel, Refusal
