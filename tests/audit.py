"""Check the locked dependencies for known vulnerabilities: `make audit`.

Fails if there is one. If the service cannot be reached, that is only reported, since the checks need no network.
"""

import json
import subprocess
import sys


def verdict(report: str, complaint: str = "") -> tuple[int, str]:
    """The exit status and a message, from pip-audit's report in JSON or, without one, from its error output."""
    try:
        audited = json.loads(report)["dependencies"]
    except ValueError:
        return 0, f"NOT AUDITED, the service cannot be reached: {' '.join(complaint.splitlines()[-1:])}"
    known = [one for one in audited if "skip_reason" not in one]
    found = [f"{one['name']} {one['version']}: {fault['id']}" for one in known for fault in one["vulns"]]
    if found:
        return 1, "Known vulnerabilities:\n" + "\n".join(found)
    if not known:  # pip-audit counts packages about which it found nothing as harmless
        return 0, f"NOT AUDITED, the service knows none of {len(audited)} dependencies: it cannot be reached from here."
    return 0, f"{len(known)} dependencies have no known vulnerability; nothing is known of {len(audited) - len(known)}."


def main() -> None:
    """Audit the lock file, whose entries need no resolution."""
    command = [sys.executable, "-m", "pip_audit", "-r", "requirements.lock", "--no-deps", "--disable-pip"]
    done = subprocess.run([*command, "--format=json", "--progress-spinner=off"], capture_output=True, text=True)
    status, text = verdict(done.stdout, done.stderr)
    print(text)
    sys.exit(status)


if __name__ == "__main__":
    main()
