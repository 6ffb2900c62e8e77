# SPDX-License-Identifier: Apache-2.0
"""The bare model loop of a worker in one process, and where benchmarks keep their models."""
import json
import os
import subprocess

from servers import Failure

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USER_CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "lockstep")
CACHE = os.path.join(USER_CACHE, "bench-cpu")


def bare_loop(path, threads, sequences, prompt, steps, rounds=3):
    """What the benchmark of the bare model loop prints."""
    work = map(str, (threads, sequences, prompt, steps, rounds))
    try:
        output = subprocess.run([os.path.join(ROOT, "scripts", "bench"), "steps", path, *work],
                                check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as e:
        last = (e.stderr.strip() or e.stdout.strip()).splitlines()[-1:]
        raise Failure(f"scripts/bench steps ended with {e.returncode}: {' '.join(last)}") from e
    return json.loads(output.strip().splitlines()[-1])
