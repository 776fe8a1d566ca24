"""A table of the page."""

from ntkviz.app import table


def test_table_names_its_rows_and_escapes():
    html = table("what", ["name", "check"], [("a < b", "passes")]).data
    assert '<th scope="row">a &lt; b</th><td class="nv-right">passes</td>' in html
    assert "<caption>what</caption>" in html
