"""The pages of guides show their code, and only theirs do."""

import re

from ntkviz.app.course.guides import code_of_guides


def test_every_cell_of_a_guide_is_shown(root):
    code = code_of_guides(root / "notebooks")
    assert list(code) == ["guide_write_your_own"]
    words = re.sub(r"<[^>]+>", "", "".join(code["guide_write_your_own"].values()))
    assert "def attention_block(net, tokens, *, sigma_w=1.0):" in words
    assert "<script" not in "".join(code["guide_write_your_own"].values())
