"""What is stored of a picture: settings that the chapter names, and those around them or those of another record."""

import json

import ntkviz as nv
from ntkviz import app
from ntkviz.app.site.recorder import record


def settings(file, chosen=()):
    """The settings that are stored of a picture with two controls, of which the chapter names one setting."""
    controls = app.Controls(width=app.Stops("width", [1, 2, 4], start=1), height=app.Slider("height", 0, 1, 0, 0.5))
    record([app.Picture(controls, [], at_once=lambda c: None)], ["width=4"], [], file, 60.0, chosen)
    (known,) = json.loads(file.read_text())["pictures"]
    assert len(known["states"]) == len(known["settings"])
    return known["settings"]


def test_settings_of_another_record_are_stored_and_no_others(tmp_path):
    around = [[1, 0], [4, 0], [1, 0.5], [1, 1.0], [2, 0], [4, 0.5], [4, 1.0]]
    assert sorted(settings(tmp_path / "record.json")) == sorted(around)
    chosen = [([2, 0.5], 0), ([1, 0], 0), ([2, 1.0], 0)]
    assert settings(tmp_path / "record.json", [chosen]) == [[1, 0], [4, 0], [2, 0.5], [2, 1.0]]


def test_as_many_networks_are_sampled_as_for_another_record(tmp_path):
    def networks(c):
        for _ in range(9):
            yield lambda: None

    controls = app.Controls(width=app.Stops("width", [1, 2], start=1))
    picture = app.Picture(controls, [], at_once=lambda c: None, as_it_comes=networks, steps=9)
    record([picture], ["width=1"], ["width=2"], tmp_path / "one.json", 0.0)
    record([picture], ["width=1"], ["width=2"], tmp_path / "two.json", 0.0, [[([1], 4), ([2], 9)]])
    one, two = (json.loads((tmp_path / name).read_text())["pictures"][0] for name in ("one.json", "two.json"))
    assert (one["settings"], one["sampled"]) == ([[1], [2]], [9, 9])
    assert (two["settings"], two["sampled"]) == ([[1], [2]], [4, 9])


def test_a_refusal_after_the_first_network_is_that_of_another_record(tmp_path):
    def networks(c):
        yield lambda: None
        raise nv.NotFiniteError("No second network.")

    controls = app.Controls(width=app.Stops("width", [1, 2], start=1))
    picture = app.Picture(controls, [], at_once=lambda c: None, as_it_comes=networks, steps=9)
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    record([picture], ["width=1"], [], one, 60.0)
    (known,) = json.loads(one.read_text())["pictures"]
    record([picture], ["width=1"], [], two, 60.0, [list(zip(known["settings"], known["sampled"], strict=True))])
    for file in (one, two):
        shown = [model["state"].get("value") for model in json.loads(file.read_text())["models"].values()]
        assert '<div role="alert">No second network.</div>' in shown
