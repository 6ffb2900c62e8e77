# SPDX-License-Identifier: Apache-2.0
"""Tools are tried if the server says that the model's template has them."""
import json
import urllib.request

import anthropic

from served import KEY, MODEL, URL

url, model, key = URL.removesuffix("/v1"), MODEL, KEY
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
hello = {
    "model": model,
    "max_tokens": 16,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": "Name three colours."}],
    # Newer clients have no such argument.
    "extra_body": {"temperature": 0},
}

whole = client.messages.create(**hello)
assert whole.type == "message" and whole.role == "assistant" and whole.content[0].text, whole
assert whole.stop_reason in ("end_turn", "max_tokens"), whole.stop_reason
assert whole.usage.output_tokens > 0 and whole._request_id, whole

with client.messages.stream(**hello) as stream:
    pieces = "".join(stream.text_stream)
    final = stream.get_final_message()
assert pieces == final.content[0].text == whole.content[0].text, (pieces, whole)
assert final.stop_reason == whole.stop_reason and final.usage.output_tokens == whole.usage.output_tokens

counted = client.messages.count_tokens(**{k: hello[k] for k in ("model", "system", "messages")})
total = whole.usage.input_tokens + whole.usage.cache_read_input_tokens
assert counted.input_tokens == total, (counted, whole.usage)

stop = whole.content[0].text[2:5]
stopped = client.messages.create(**hello, stop_sequences=[stop])
assert stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == stop, stopped

for change, error in (
    ({"model": "no-such-model"}, anthropic.NotFoundError),
    ({"extra_body": {"temperature": 9}}, anthropic.BadRequestError),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {
        "type": "url", "url": "http://localhost/x.png"}}]}]}, anthropic.BadRequestError),
):
    try:
        client.messages.create(**{**hello, **change})
        raise AssertionError(change)
    except error as e:
        assert e.body["type"] == "error" and e.body["error"]["message"], e.body

show = urllib.request.Request(
    url + "/api/show", json.dumps({"model": model}).encode(), {"x-api-key": key})
with urllib.request.urlopen(show) as response:
    tools = "tools" in json.load(response)["capabilities"]
if tools:
    asked = {
        **hello,
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "How is the weather in Oslo?"}],
        "tools": [{"name": "weather", "description": "The weather of a city.", "input_schema": {
            "type": "object",
            "properties": {"city": {"enum": ["Oslo", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        }}],
        "tool_choice": {"type": "tool", "name": "weather"},
    }
    answer = client.messages.create(**asked)
    call = answer.content[-1]
    assert answer.stop_reason == "tool_use" and call.type == "tool_use", answer
    assert call.name == "weather" and call.input["city"] in ("Oslo", "Rome"), call
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message().content[-1]
    assert streamed.input == call.input and streamed.name == call.name, (streamed, call)
    client.messages.create(**{**asked, "tool_choice": {"type": "none"}, "max_tokens": 8, "messages": [
        *asked["messages"],
        {"role": "assistant", "content": [block.to_dict() for block in answer.content]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": call.id, "content": "Cold."}]},
    ]})
print(f"passed: messages, stream, count_tokens, errors{', tools' if tools else ''}")
