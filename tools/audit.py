"""Asks the database of known holes, osv.dev, about every package of `requirements.lock`. Exit code
1 if it knows one.

Without a network it says so and ends with 0: what cannot be asked is no fault of the packages.
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
    parser.add_argument("--service", default=SERVICE, help="the address that is asked")
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
        with urllib.request.urlopen(request, timeout=30) as answer:
            results = json.load(answer)["results"]
    except (OSError, HTTPException, ValueError, KeyError) as error:
        log.warning("not audited: %s gives no answer (%s)", service, error)
        return
    holes = [
        f"{name} {version}: {', '.join(hole['id'] for hole in result['vulns'])}"
        for (name, version), result in zip(packages, results, strict=True)
        if result.get("vulns")
    ]
    if holes:
        raise InputError("\n".join(["known holes; make lock takes newer versions", *holes]))
    log.info("%d packages, no known hole", len(packages))


if __name__ == "__main__":
    command.run(main)
