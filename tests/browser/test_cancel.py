"""Cancel answers within a second, whatever is being compiled."""

import os

import pytest
from pages import open_chapter

CANCELLED = """() => new Promise(done => {
    const cancel = [...document.querySelectorAll('.nv-foot button')].find(button => button.textContent === 'Cancel');
    let pressed;
    const look = () => {
        if (!pressed && !cancel.disabled) {
            pressed = performance.now();
            cancel.click();
        } else if (pressed && cancel.disabled) return done((performance.now() - pressed) / 1000);
        setTimeout(look, 5);
    };
    look();
})"""
"""Presses Cancel as soon as it is enabled; returns the seconds until it is disabled again."""


@pytest.mark.alone
def test_cancel_answers_while_a_network_is_compiled(page, root, serve, tmp_path):
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}  # so that nothing is compiled already
    with serve(root / "notebooks", "--VoilaConfiguration.preheat_kernel=False", environment=environment) as server:
        open_chapter(page, server.chapter("12_gru_lstm.ipynb"))
        page.get_by_role("button", name="Cancel").wait_for()
        seconds = [page.evaluate(CANCELLED)]
        slider = page.locator(".nv-controls").get_by_role("slider").first
        for _ in range(3):
            slider.press("ArrowLeft")
            seconds.append(page.evaluate(CANCELLED))
        page.goto("about:blank")  # so that the page does not report the loss of its server
    assert max(seconds) < 1
