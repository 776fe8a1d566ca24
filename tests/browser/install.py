"""Make sure that the browser tests have a Chromium: Debian's own where we may install it, else Playwright's."""

import os
import platform
import shutil
import subprocess
import sys


def main() -> None:
    """Install Chromium unless it is there; exit with the installer's status if that fails."""
    if shutil.which("chromium"):
        return
    print("Installing Chromium for the browser tests (once) ...", flush=True)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root and sys.platform == "linux" and platform.freedesktop_os_release()["ID"] == "debian":
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        commands = [["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]]
    else:
        environment = dict(os.environ)
        commands = [[sys.executable, "-m", "playwright", "install", *(["--with-deps"] if root else []), "chromium"]]
    for command in commands:
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed: install Chromium yourself and run `make test` again.")


if __name__ == "__main__":
    main()
