"""An edition has the titles, the menu and the words of one language."""

from ntkviz.app.course.edition import apart, editions
from ntkviz.app.translation import words


def test_editions_of_the_course(root):
    found = editions(root / "notebooks")
    assert list(found) == ["en", "zh"]
    english, chinese = found["en"], found["zh"]
    assert (english.folder, chinese.folder, chinese.name) == ("", "zh/", "中文")
    assert english.words == {}
    assert english.worded("Chapters") == "Chapters"
    assert chinese.worded("Chapters") == chinese.words["Chapters"] == "章节"
    assert [one.file for one in english.chapters] == [one.file for one in chinese.chapters]
    assert [len(group) for _, group in english.parts] == [len(group) for _, group in chinese.parts]
    [title] = [one.heading for one in chinese.chapters if one.name == "09_mlp"]
    assert title == "9 · MLP：有序与混沌"


def test_a_path_names_its_language():
    assert apart("zh/09_mlp.ipynb") == ("zh", "09_mlp.ipynb")
    for path in ("09_mlp.ipynb", "fr/09_mlp.ipynb", "en/09_mlp.ipynb", "zh", "zh/"):
        assert apart(path) == ("en", path)
    assert apart("zh/zh/09_mlp.ipynb") == ("zh", "zh/09_mlp.ipynb")


def test_a_draft_is_not_offered(root, monkeypatch):
    monkeypatch.setattr(words, "DRAFTS", {"zh"})
    assert [found.language for found in editions(root / "notebooks").values() if found.is_offered] == ["en"]
    monkeypatch.setattr(words, "DRAFTS", set())
    assert [found.language for found in editions(root / "notebooks").values() if found.is_offered] == ["en", "zh"]
