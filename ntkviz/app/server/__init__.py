"""The dashboard: Voilà with our template and preheated kernels, and restrictions on what a page may request."""

from .. import upstream

with upstream.without_iri_grammar():
    import jupyter_events  # the first of Jupyter's packages that imports jsonschema
