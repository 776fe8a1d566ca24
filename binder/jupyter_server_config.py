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
