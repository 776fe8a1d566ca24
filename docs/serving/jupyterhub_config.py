"""JupyterHub: each student logs in, gets a Jupyter of their own, and lands in the lessons."""

import os

FOLDER = os.environ.get("NTKVIZ", "/srv/ntkviz")  # the repository, with ntkviz installed beside jupyterhub

c = get_config()  # noqa: F821 (JupyterHub defines it)

# binder/start points Jupyter to the configuration that makes the lessons the first page.
START = f'cd {FOLDER} && exec binder/start jupyterhub-singleuser "$@"'
c.Spawner.cmd = ["bash", "-c", START, "ntkviz"]
c.Spawner.default_url = "/voila/render/00_home.ipynb"
c.Spawner.http_timeout = c.Spawner.start_timeout = 120

# To try it on one machine without accounts; a course has its own authenticator and spawner.
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ["HUB_PASSWORD"]
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
