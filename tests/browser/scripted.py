"""A dashboard of the chapters whose pictures answer as a file says: as usual, late, not at all, or with a refusal."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving import Server, serving

SCRIPTED = '''
import time
from pathlib import Path

from ntkviz import app, errors
from ntkviz.distant.requests import check_wanted


def way():
    return Path("{way}").read_text()


class ScriptedPicture(app.Picture):
    """Answers in the way that a file says, and computes only what is drawn: nothing ahead, and no costs."""

    def __init__(self, controls, plots, *, at_once, as_it_comes, prepare=(), estimate=None, **settings):
        def scripted_at_once(c):
            while way() == "late":
                time.sleep(0.05)
            if way() == "refused at once":
                raise errors.HyperparameterError("Refused.")
            at_once(c)

        def scripted_as_it_comes(c):
            while way() == "held up":
                time.sleep(0.05)
            while way() == "put off":
                check_wanted()  # a request that is cancelled meanwhile is forgotten
                time.sleep(0.05)
            if way() == "refused as it comes":
                raise errors.HyperparameterError("Refused, too.")
            yield from as_it_comes(c)

        super().__init__(controls, plots, at_once=scripted_at_once, as_it_comes=scripted_as_it_comes, **settings)


app.Picture = ScriptedPicture
'''


@dataclass(frozen=True)
class Scripted:
    """Such a dashboard, and the file that says how its pictures answer."""

    server: Server
    way: Path

    def answer(self, way: str) -> None:
        """Let pictures answer in this way from now on; `""` is as usual."""
        self.way.write_text(way)


@contextmanager
def scripted_dashboard(notebooks: Path, folder: Path) -> Iterator[Scripted]:
    """Serve copies of all notebooks, made in `folder`, until the block ends."""
    way = folder / "way"
    cell = {"cell_type": "code", "id": "plan", "metadata": {}, "execution_count": None, "outputs": []}
    for path in notebooks.glob("*.ipynb"):
        notebook = json.loads(path.read_text())
        notebook["cells"].insert(0, cell | {"source": SCRIPTED.replace("{way}", str(way))})
        (folder / path.name).write_text(json.dumps(notebook))
    with serving(folder, "--VoilaConfiguration.preheat_kernel=False") as server:
        scripted = Scripted(server, way)
        scripted.answer("")
        yield scripted
