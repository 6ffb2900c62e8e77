# SPDX-License-Identifier: Apache-2.0
import json
from typing import Literal

import ollama

from served import CITIES, KEY, MODEL, ROOT_URL, WEATHER_QUESTION, check, error

client = ollama.Client(host=ROOT_URL, headers={"x-api-key": KEY})
options = {"temperature": 0, "num_predict": 16}
messages = [{"role": "user", "content": "Name three colours."}]

whole = client.chat(model=f"{MODEL}:latest", messages=messages, options=options)
assert whole.done and whole.done_reason in ("stop", "length"), whole
assert whole.eval_count > 0 and whole.total_duration > 0, whole
check("chat", whole.message.content)
parts = list(client.chat(model=MODEL, messages=messages, options=options, stream=True))
assert "".join(part.message.content for part in parts) == whole.message.content, parts
check("stream", parts[-1].done and parts[-1].eval_count == whole.eval_count)

generated = client.generate(model=MODEL, prompt=messages[0]["content"], options=options)
assert generated.response == whole.message.content, (generated, whole)
raw = list(client.generate(model=MODEL, prompt="Once upon", raw=True, options=options, stream=True))
assert raw[-1].done and "".join(part.response for part in raw), raw
check("generate", client.generate(model=MODEL).done_reason == "load")


def weather(city: Literal["Oslo", "Rome"]) -> str:
    """The weather of a city.

    Args:
      city: its name
    """
    return "Cold in " + city


def turn(city):
    """Returns a question, the call that answers it, and what comes of it."""
    return [
        {"role": "user", "content": "How is the weather in %s?" % city},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": city}}}]},
        {"role": "tool", "tool_name": "weather", "content": weather(city)},
        {"role": "assistant", "content": "It is cold in %s." % city},
    ]


# The API cannot demand a call: the model does what it did before.
told = {"model": MODEL, "tools": [weather], "options": {**options, "num_predict": 60}}
asks = [*turn("Rome"), *turn("Oslo"), *turn("Rome"), *WEATHER_QUESTION]
answer = client.chat(messages=asks, **told)
calls = answer.message.tool_calls
assert [(call.function.name, call.function.arguments["city"] in CITIES) for call in calls] == [("weather", True)], answer
parts = list(client.chat(messages=asks, stream=True, **told))
assert [call for part in parts for call in part.message.tool_calls or []] == calls, parts
result = {"role": "tool", "tool_name": "weather", "content": weather(**calls[0].function.arguments)}
answered = client.chat(messages=[*asks, answer.message, result], **told)
check("tools", answered.message.content)

schema = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
formed = client.chat(model=MODEL, messages=messages, format=schema, options={"temperature": 0})
check("format", json.loads(formed.message.content)["colour"] in ("red", "green"))

thought = client.chat(model=MODEL, messages=messages, think=True, options=options)
parts = list(client.chat(model=MODEL, messages=messages, think=True, options=options, stream=True))
assert thought.message.thinking, thought
check("thinking", "".join(part.message.thinking or "" for part in parts) == thought.message.thinking)

vectors = client.embed(model=MODEL, input=["Hello", "there"]).embeddings
assert len(vectors) == 2 and abs(sum(x * x for x in vectors[0]) - 1) < 1e-3
check("embed", len(client.embeddings(model=MODEL, prompt="Hello").embedding) == len(vectors[0]))

assert f"{MODEL}:latest" in [each.model for each in client.list().models]
shown = client.show(MODEL)
assert shown.modelinfo and {"completion", "tools", "thinking"} <= set(shown.capabilities), shown
check("list, show, ps", client.ps().models[0].context_length > 0)

unknown = error(ollama.ResponseError, lambda: client.chat(model="no-such-model", messages=messages))
hot = error(ollama.ResponseError, lambda: client.chat(model=MODEL, messages=messages, options={"temperature": 9}))
check("errors", (unknown.status_code, hot.status_code) == (404, 400) and unknown.error and hot.error)
