# SPDX-License-Identifier: Apache-2.0
"""Tools are tried if the server says that the model's template has them."""
import json

import ollama

from served import KEY, MODEL, URL

url, model, key = URL.removesuffix("/v1"), MODEL, KEY
client = ollama.Client(host=url, headers={"x-api-key": key})
options = {"temperature": 0, "num_predict": 16}
messages = [{"role": "user", "content": "Name three colours."}]

listed = [each.model for each in client.list().models]
assert f"{model}:latest" in listed or model in listed, listed
shown = client.show(model)
assert shown.modelinfo and "completion" in shown.capabilities, shown
assert client.ps().models[0].context_length > 0

whole = client.chat(model=f"{model}:latest", messages=messages, options=options)
assert whole.done and whole.done_reason in ("stop", "length"), whole
assert whole.message.content and whole.eval_count > 0 and whole.total_duration > 0, whole
parts = list(client.chat(model=model, messages=messages, options=options, stream=True))
assert "".join(part.message.content for part in parts) == whole.message.content, parts
assert parts[-1].done and parts[-1].eval_count == whole.eval_count

generated = client.generate(model=model, prompt=messages[0]["content"], options=options)
assert generated.response == whole.message.content, (generated, whole)
raw = list(client.generate(model=model, prompt="Once upon", raw=True, options=options, stream=True))
assert raw[-1].done and "".join(part.response for part in raw), raw
assert client.generate(model=model).done_reason == "load"

vectors = client.embed(model=model, input=["Hello", "there"]).embeddings
assert len(vectors) == 2 and abs(sum(x * x for x in vectors[0]) - 1) < 1e-3
assert len(client.embeddings(model=model, prompt="Hello").embedding) == len(vectors[0])

schema = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
formed = client.chat(model=model, messages=messages, format=schema, options={"temperature": 0})
assert json.loads(formed.message.content)["colour"] in ("red", "green"), formed

for call, status in (
    (lambda: client.chat(model="no-such-model", messages=messages), 404),
    (lambda: client.chat(model=model, messages=messages, options={"temperature": 9}), 400),
):
    try:
        call()
        raise AssertionError(status)
    except ollama.ResponseError as e:
        assert e.status_code == status and e.error, e

tools = "tools" in shown.capabilities
if tools:
    def weather(city: str) -> str:
        """The weather of a city.

        Args:
          city: its name
        """
        return "Cold in " + city

    ask = [{"role": "user", "content": "How is the weather in Oslo?"}]
    answer = client.chat(model=model, messages=ask, tools=[weather], options=options)
    calls = [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}]
    client.chat(model=model, options=options, tools=[weather], messages=[
        *ask,
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_name": "weather", "content": weather("Oslo")},
    ])
print(f"passed: chat, generate, embed, list, show, ps, format, errors{', tools' if tools else ''}")
