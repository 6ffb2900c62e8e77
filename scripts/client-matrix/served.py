# SPDX-License-Identifier: Apache-2.0
"""What the clients in Python share: the server's address, a schema, and the line that scripts/clients reads."""
import os
import sys
from enum import Enum

URL = os.environ["LOCKSTEP_URL"]
ROOT_URL = URL.removesuffix("/v1")
MODEL = os.environ["LOCKSTEP_MODEL"]
KEY = "none"
TEXT = "What is the capital of France?"
QUESTION = [{"role": "user", "content": TEXT}]
WEATHER_TEXT = "How is the weather in Oslo?"
WEATHER_QUESTION = [{"role": "user", "content": WEATHER_TEXT}]

# What a schema allows such a small model makes use of, so ours allow little.
WEATHER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
CITIES = WEATHER_SCHEMA["properties"]["city"]["enum"]
# The server does not serve this field.
REFUSED = {"no_repeat_ngram_size": 3}


class Colour(str, Enum):
    RED = "red"
    GREEN = "green"


def check(what, holds):
    if not holds:
        sys.exit("failed: " + what)
    print("passed: " + what, flush=True)


def error(expected, call):
    """Returns the error of a type that a call raises."""
    try:
        call()
    except expected as raised:
        return raised
    sys.exit("failed: no %s" % (expected,))
