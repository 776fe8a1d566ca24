"""A table of the page."""

import ntkviz as nv
from ntkviz.app import table
from ntkviz.app.translation.words import LANGUAGE


def test_table_names_its_rows_and_escapes():
    html = table("what", ["name", "check"], [("a < b", "passes")]).data
    assert '<th scope="row">a &lt; b</th><td class="nv-right">passes</td>' in html
    assert "<caption>what</caption>" in html


def test_what_the_engine_says_of_a_program_is_told_in_the_language_of_readers(monkeypatch):
    monkeypatch.setenv(LANGUAGE, "zh")
    check = nv.simple_gia_check(nv.architectures.mlp(), [[1.0]])
    html = table(
        ["两层网络。", str(check)], ["值", "类型"], [("x", "data"), ("g", "initial G-var"), ("y", "passes")]
    ).data
    assert "<caption>两层网络。通过了简单 GIA 检查" in html
    assert [text in html for text in ("<td>数据</td>", "<td>初始 G-var</td>", "通过</td>")] == [True] * 3
