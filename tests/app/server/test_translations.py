"""The server has notebooks in other languages without files, and takes readers to the language that they understand."""

import pytest
from tornado.web import HTTPError

from ntkviz.app.server.page_policy import preferred
from ntkviz.app.server.translations import Translations


def test_a_notebook_in_another_language(root):
    folder = Translations(root_dir=str(root / "notebooks"))
    english, chinese = (folder.get(f"{place}09_mlp.ipynb") for place in ("", "zh/"))
    assert chinese["path"] == "zh/09_mlp.ipynb"
    assert english["content"].cells[0].source.startswith("# MLP: order and chaos\n")
    assert chinese["content"].cells[0].source.startswith("# MLP：有序与混沌\n")
    assert chinese["content"].metadata.language == "zh"
    for missing in ("zh/no.ipynb", "fr/09_mlp.ipynb"):
        with pytest.raises(HTTPError):
            folder.get(missing)


@pytest.mark.parametrize(
    ("chosen", "understood", "language"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("", "fr,de;q=0.9", "en"),
        ("", "fr,zh;q=0.1", "zh"),
        ("", "en;q=0.5,zh", "zh"),
        ("", "zh;q=0,en", "en"),
        ("", "zh;q=nonsense", "en"),
        ("en", "zh", "en"),
        ("zh", "en", "zh"),
        ("../../x", "en", "en"),
    ],
)
def test_the_language_of_a_reader(chosen, understood, language):
    assert preferred(chosen, understood, ["en", "zh"]) == language
