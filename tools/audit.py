"""Queries the database of known vulnerabilities, osv.dev, for every package of `requirements.lock`.
Exit code 1 if there is one.

Without a network it says so and ends with 0: that is no fault of the packages.
"""

import json
import logging
import re
import urllib.request
from http.client import HTTPException
from pathlib import Path

from stages import command
from stages.errors import InputError

log = logging.getLogger("reprise")

SERVICE = "https://api.osv.dev/v1/querybatch"


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument("--service", default=SERVICE, help="the address of the database")
    service = parser.parse_args(arguments).service
    packages = re.findall(
        r"^([A-Za-z0-9._-]+)==([^ ;\\]+)",
        Path("requirements.lock").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in packages
    ]
    request = urllib.request.Request(
        service, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            results = json.load(response)["results"]
    except (OSError, HTTPException, ValueError, KeyError) as error:
        log.warning("not audited: %s gives no answer (%s)", service, error)
        return
    vulnerable = [
        f"{name} {version}: {', '.join(entry['id'] for entry in result['vulns'])}"
        for (name, version), result in zip(packages, results, strict=True)
        if result.get("vulns")
    ]
    if vulnerable:
        raise InputError(
            "\n".join(["known vulnerabilities; `make lock` takes newer versions", *vulnerable])
        )
    log.info("%d packages, no known vulnerability", len(packages))


if __name__ == "__main__":
    command.run(main)
