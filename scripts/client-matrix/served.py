# SPDX-License-Identifier: Apache-2.0
"""What every client of the matrix uses: the server's address, and the line that scripts/clients reads."""
import os
import sys

URL = os.environ["LOCKSTEP_URL"]
MODEL = os.environ["LOCKSTEP_MODEL"]
KEY = "none"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def check(what, holds):
    if not holds:
        sys.exit("failed: " + what)
    print("passed: " + what, flush=True)
