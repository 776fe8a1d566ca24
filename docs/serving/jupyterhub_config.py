"""JupyterHub: each student logs in and gets their own Jupyter server, which opens at the lessons."""

import os

FOLDER = os.environ.get("NTKVIZ", "/srv/ntkviz")  # the repository, with ntkviz installed beside jupyterhub

c = get_config()  # noqa: F821 (JupyterHub defines it)

# binder/start points Jupyter to the configuration that makes the lessons the first page.
START = f'cd {FOLDER} && exec binder/start jupyterhub-singleuser "$@"'
c.Spawner.cmd = ["bash", "-c", START, "ntkviz"]
c.Spawner.default_url = "/voila/render/00_home.ipynb"
c.Spawner.http_timeout = c.Spawner.start_timeout = 120

# For a trial on one machine without accounts; a course has its own address, authenticator and spawner.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["HUB_PASSWORD"]  # eight characters or more
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
