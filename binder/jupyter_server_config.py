"""Binder's Jupyter, opened at the dashboard instead of the list of files."""

import os
from pathlib import Path

from ntkviz.app.serve import CONFIG, HOME, JUPYTER_PATH, chapters, keep_compiled_code

NOTEBOOKS = Path.cwd() / "notebooks"

os.environ["JUPYTER_PATH"] = str(JUPYTER_PATH)  # where Voilà finds our template
keep_compiled_code()

c = get_config()  # noqa: F821 (Jupyter defines it)
c.merge(CONFIG)
c.ServerApp.root_dir = str(NOTEBOOKS)
c.ServerApp.default_url = c.LabApp.default_url = f"/voila/render/{HOME}"  # whichever of the two Binder starts
c.VoilaConfiguration.resources = {"chapters": chapters(NOTEBOOKS)}
# Beside Jupyter, Voilà would load MathJax from elsewhere. Told of none it takes JupyterLab's, which is on this server.
c.ServerApp.tornado_settings = {"mathjax_url": None, "mathjax_config": None}
# JupyterLab, at ?urlpath=lab, would ask for newer versions of itself.
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
