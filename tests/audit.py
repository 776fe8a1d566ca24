"""Ask whether any locked dependency has a known vulnerability: `make audit`.

Fails if one has. A service that cannot be reached is said, and fails nothing: the checks need no network.
"""

import json
import subprocess
import sys


def verdict(report: str, complaint: str = "") -> tuple[int, str]:
    """The exit status and what to say, from pip-audit's report in JSON; without one, from what it complained about."""
    try:
        audited = json.loads(report)["dependencies"]
    except ValueError:
        return 0, f"NOT AUDITED, the service cannot be reached: {' '.join(complaint.splitlines()[-1:])}"
    known = [one for one in audited if "skip_reason" not in one]
    found = [f"{one['name']} {one['version']}: {fault['id']}" for one in known for fault in one["vulns"]]
    if found:
        return 1, "Known vulnerabilities:\n" + "\n".join(found)
    if not known:  # pip-audit counts packages of which it learnt nothing as harmless
        return 0, f"NOT AUDITED, the service knows none of {len(audited)} dependencies: it cannot be reached from here."
    return 0, f"{len(known)} dependencies have no known vulnerability; nothing is known of {len(audited) - len(known)}."


def main() -> None:
    """Audit the lock, whose entries need no resolving."""
    command = [sys.executable, "-m", "pip_audit", "-r", "requirements.lock", "--no-deps", "--disable-pip"]
    done = subprocess.run([*command, "--format=json", "--progress-spinner=off"], capture_output=True, text=True)
    status, text = verdict(done.stdout, done.stderr)
    print(text)
    sys.exit(status)


if __name__ == "__main__":
    main()
