"""A stack of blocks: a control whose value is what a reader has dragged together, and its program as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import anywidget
import traitlets

from ...errors import HyperparameterError
from ..style.theme import script
from ..translation.words import _, listed
from .controls import shortened

Line = tuple[str, int]
"""A line of a program's text, and the place of the block for which it stands; -1 if it stands for none."""


class StackEditor(anywidget.AnyWidget):
    """The widget of a `BlockStack`: `value` has the names of its blocks, with spaces between them."""

    _esm = script("block_stack.js")
    kit: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    presets: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    most = traitlets.Int().tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)
    code: traitlets.List[Line] = traitlets.List().tag(sync=True)

    @traitlets.validate("value")
    def _of_the_kit(self, proposal: Any) -> str:
        """A browser may send anything."""
        known = {block["name"] for block in self.kit}
        return " ".join([name for name in proposal["value"].split() if name in known][: self.most])

    def markup(self) -> str:
        """Its looks as HTML, for the preview of a page; as high as `static/block_stack.js` will draw it."""
        kit = "".join(f'<span class="nv-block">{escape(block["name"])}</span>' for block in self.kit)
        stack = "".join(
            f'<li><span class="nv-block">{escape(name)}</span><span class="nv-away">×</span></li>'
            for name in self.value.split()
        )
        code = "\n".join(escape(text) for text, _ in self.code)
        return (
            f'<div class="nv-stack-editor"><div class="nv-stack-head"><b>{_("Blocks")}</b></div>'
            f'<div class="nv-palette">{kit}</div><div class="nv-stack-place"><span class="nv-stack-end">Uξ</span>'
            f'<ol class="nv-blocks">{stack}</ol><span class="nv-stack-end">{_("readout")}</span></div></div>'
            f'<div class="nv-python"><div class="nv-stack-head"><b>{_("In Python")}</b></div>'
            f"<pre><code>{code}\n</code></pre></div>"
        )


class BlockStack:
    """At most `most` blocks of a kit, in an order that a reader chooses by mouse, finger or keys.

    Its value is a text, which is short in a link: the names of the blocks with spaces between them.

    - `kit`: what each block does, by its name.
    - `presets`: stacks to start from, by their names.

    Raises:
        HyperparameterError: The initial stack or a preset has too many blocks, or one that is not in the kit.
    """

    def __init__(self, kit: Mapping[str, str], start: str, *, most: int, presets: Mapping[str, str]):
        self.start, self.kit, self.most = start, list(kit), most
        for name, blocks in [("start", start), *presets.items()]:  # a preset may have that name, too
            try:
                self.parse(blocks)
            except HyperparameterError as error:
                said = _("The stack {name!r} cannot be built: {error}.")
                raise HyperparameterError(said.format(name=name, error=error)) from None
        self.widget = StackEditor(
            kit=[{"name": name, "hint": hint} for name, hint in kit.items()],
            presets=[{"name": name, "blocks": blocks} for name, blocks in presets.items()],
            most=most,
        )
        self.widget.value = start
        self.widget.add_class("nv-stack")

    @property
    def value(self) -> str:
        """The names of its blocks."""
        return str(self.widget.value)

    @value.setter
    def value(self, value: str) -> None:
        self.widget.value = value

    def parse(self, text: str) -> str:
        """The stack that a link's text stands for.

        Raises:
            HyperparameterError: It has too many blocks, or one that is not in the kit.
        """
        names = text.split()
        if len(names) > self.most or not set(names) <= set(self.kit):
            said = _("it is {text!r}, but must be at most {most} of {blocks}")
            raise HyperparameterError(said.format(text=shortened(text), most=self.most, blocks=listed(self.kit)))
        return " ".join(names)

    def without_kernel(self) -> dict[str, Any]:
        """What a page needs to know of it to play the part of the kernel (`static/stored/picture.js`)."""
        return {"kind": "stack", "widget": self.widget.model_id, "start": self.start}

    def show(self, code: Sequence[Line]) -> None:
        """Show the text of the program for which it stands."""
        self.widget.code = list(code)
