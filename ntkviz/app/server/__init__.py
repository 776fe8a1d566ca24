"""The dashboard: Voilà with our template and preheated kernels, and restrictions on what a page may request."""

from .. import upstream

with upstream.without_iri_grammar():
    import jupyter_events  # imports jsonschema, here before the modules of this folder import Jupyter's servers
