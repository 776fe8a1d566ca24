"""The audit distinguishes vulnerable dependencies, harmless ones, and those about which nothing is known."""

import json

import pytest
from audit import verdict

HARMLESS = {"name": "a", "version": "1", "vulns": []}
HARMFUL = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("audited", "status", "says"),
    [
        ([HARMLESS, UNKNOWN], 0, "1 dependencies have no known vulnerability; nothing is known of 1."),
        ([HARMLESS, HARMFUL], 1, "b 2: CVE-1"),
        ([UNKNOWN, UNKNOWN], 0, "NOT AUDITED"),
    ],
)
def test_verdict(audited, status, says):
    found = verdict(json.dumps({"dependencies": audited}))
    assert found[0] == status
    assert says in found[1]


def test_an_unreachable_service_is_reported_and_does_not_fail():
    status, text = verdict("", "Traceback\nConnectionError: no such host")
    assert status == 0
    assert text == "NOT AUDITED, the service cannot be reached: ConnectionError: no such host"
