"""Runs schemathesis over the whole OpenAPI document against a running product, and judges what came of it.

    run.py WORLD PHASES EXAMPLES

WORLD is what tests/conformance/main.rs has written: where the product is and what is in it. It fails when a check fails, and when
an operation never succeeded, for then nothing was tried of it but its refusals.
"""

import json
import os
import pathlib
import random
import subprocess
import sys

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]


def main():
    here = pathlib.Path(__file__).resolve().parent
    world = pathlib.Path(sys.argv[1]).resolve()
    phases, examples = sys.argv[2], sys.argv[3]
    seed = os.environ.get("BELLBUOY_TEST_SEED") or str(random.SystemRandom().randrange(2**32))
    print(f"conformance: BELLBUOY_TEST_SEED={seed}", flush=True)
    told = world.with_suffix(".told")
    environment = {
        **os.environ,
        "PYTHONPATH": str(here),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SCHEMATHESIS_HOOKS": "hooks",
        "BELLBUOY_CONFORMANCE_WORLD": str(world),
        "BELLBUOY_CONFORMANCE_TOLD": str(told),
        "BELLBUOY_CONFORMANCE_SEED": seed,
    }
    base = json.loads(world.read_text())["base"]
    command = [
        str(pathlib.Path(sys.executable).parent / "st"),
        "--config-file", str(here / "schemathesis.toml"),
        "run", f"{base}/api/v1/openapi.json",
        "--url", base,
        "--phases", phases,
        "--checks", ",".join(CHECKS),
        "--max-examples", examples,
        "--seed", seed,
        "--workers", "2",
        "--request-timeout", "30",
        "--generation-database", "none",
        # Keys and tokens are sent by hooks.py; one that is made up beside them would be all that is looked at.
        "--generation-with-security-parameters", "false",
        "--suppress-health-check", "all",
        "--no-color",
    ]
    status = subprocess.run(command, env=environment, cwd=world.parent, check=False).returncode
    answers = json.loads(told.read_text())
    statuses, hopeless = answers["statuses"], answers["hopeless"]
    print(f"{'operation':<28} answers")
    for operation, seen in sorted(statuses.items()):
        print(f"{operation:<28} {', '.join(f'{code} × {count}' for code, count in sorted(seen.items()))}")
    never = [one for one, seen in statuses.items() if not any(code.startswith("2") for code in seen)]
    for operation in sorted(set(never) - set(hopeless)):
        print(
            f"conformance: {operation} never succeeded: give its body an example in the document, or a line in BODIES of "
            "tests/conformance/hooks.py that makes one"
        )
    for operation in sorted(set(hopeless) - set(never)):
        print(f"conformance: {operation} succeeds and is called hopeless in tests/conformance/hooks.py")
    sys.exit(1 if status or set(never) != set(hopeless) else 0)


main()
