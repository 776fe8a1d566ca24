"""Files of data: what is packed comes out again, equal parts are stored once, and equal data give equal files."""

import base64
import gzip
import json
import re

from ntkviz.app.site.packing import packed, script, unpacked


def opened(script: str):
    """The pool and the value of a file."""
    name, text = re.fullmatch(r'ntkvizData\("([\w-]+)","([\w+/=]+)"\);\n', script).groups()
    return name, json.loads(gzip.decompress(base64.b64decode(text)))


def whole(part, pool):
    if isinstance(part, list):
        return [whole(one, pool) for one in part]
    if isinstance(part, dict):
        return whole(pool[part["$"]], pool) if "$" in part else {name: whole(one, pool) for name, one in part.items()}
    return part


CURVE = [k / 7 for k in range(100)]
VALUE = [{"x": CURVE, "name": "Θ", "none": None}, {"x": CURVE, "on": True, "deep": [[CURVE]]}]


def test_what_is_packed_comes_out_again():
    name, packing = opened(script("02_ntk-start", packed(VALUE)))
    assert name == "02_ntk-start"
    assert whole(packing["value"], packing["pool"]) == VALUE
    assert unpacked(packed(VALUE)) == VALUE


def test_a_curve_is_stored_once():
    _, packing = opened(script("x", packed(VALUE)))
    assert packing["pool"].count(CURVE) == 1
    assert json.dumps(packing).count(str(CURVE[-1])) == 1


def test_the_same_data_give_the_same_file():
    assert packed(VALUE) == packed(json.loads(json.dumps(VALUE)))
