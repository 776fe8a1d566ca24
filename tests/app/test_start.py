"""What a kernel loads before it can draw: nothing that takes seconds and is not needed."""

import subprocess
import sys

LOADED = "import sys, ntkviz.app; print(*sys.modules)"


def test_the_application_loads_no_grammar_and_no_statistics():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "jsonschema" in loaded  # through plotly's widget
    assert not loaded & {"lark", "scipy.stats"}
