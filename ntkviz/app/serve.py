"""The command that opens the dashboard:

    python -m ntkviz.app.serve notebooks --port=8866

Every option of Voilà works here, too (``--help-all`` lists them); ``CONFIG`` in ``server/dashboard.py`` overrides some
of Voilà's defaults.
"""

import logging
import os

import platformdirs

from .server.dashboard import CONFIG, Dashboard, find_templates
from .style.theme import PAGE_HAS_PLOTLY
from .translation.words import LANGUAGE


def keep_compiled_code() -> None:
    """Make JAX keep compiled code in a folder of this user, unless the environment chooses another or none."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(platformdirs.user_cache_path("ntkviz") / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def main(argv: list[str] | None = None) -> None:
    """Serve the dashboard until interrupted."""
    keep_compiled_code()
    os.environ.pop(LANGUAGE, None)  # each page's notebook sets its own
    os.environ[PAGE_HAS_PLOTLY] = "yes"  # for the kernels, which then need not send it
    find_templates()
    # Tornado would log every page that does not exist or is refused.
    logging.getLogger("tornado").setLevel(logging.ERROR)
    Dashboard.launch_instance(argv, config=CONFIG)


if __name__ == "__main__":
    main()
