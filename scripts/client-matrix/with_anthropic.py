# SPDX-License-Identifier: Apache-2.0
import anthropic

from served import CITIES, KEY, MODEL, QUESTION, ROOT_URL, WEATHER_QUESTION, WEATHER_SCHEMA, check, error

client = anthropic.Anthropic(base_url=ROOT_URL, api_key=KEY, max_retries=0)
hello = {
    "model": MODEL,
    "max_tokens": 16,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": QUESTION,
    # Newer clients have no such argument.
    "extra_body": {"temperature": 0},
}

whole = client.messages.create(**hello)
assert whole.type == "message" and whole.role == "assistant", whole
assert whole.stop_reason in ("end_turn", "max_tokens"), whole.stop_reason
assert whole.usage.output_tokens > 0 and whole._request_id, whole
check("messages", whole.content[0].text)

with client.messages.stream(**hello) as stream:
    pieces = "".join(stream.text_stream)
    final = stream.get_final_message()
assert final.stop_reason == whole.stop_reason and final.usage.output_tokens == whole.usage.output_tokens, final
check("stream", pieces == final.content[0].text == whole.content[0].text)

counted = client.messages.count_tokens(**{key: hello[key] for key in ("model", "system", "messages")})
check("count of tokens", counted.input_tokens == whole.usage.input_tokens + whole.usage.cache_read_input_tokens)

stop = whole.content[0].text[2:5]
stopped = client.messages.create(**hello, stop_sequences=[stop])
check("stop sequences", stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == stop)

asked = {
    **hello,
    "max_tokens": 200,
    "messages": WEATHER_QUESTION,
    "tools": [{"name": "weather", "description": "The weather of a city.", "input_schema": WEATHER_SCHEMA}],
    "tool_choice": {"type": "tool", "name": "weather"},
}
answer = client.messages.create(**asked)
call = answer.content[-1]
assert answer.stop_reason == "tool_use" and call.type == "tool_use", answer
assert call.name == "weather" and call.input["city"] in CITIES, call
with client.messages.stream(**asked) as stream:
    streamed = stream.get_final_message().content[-1]
assert streamed.input == call.input and streamed.name == call.name, (streamed, call)
answered = client.messages.create(**{**asked, "tool_choice": {"type": "none"}, "max_tokens": 8, "messages": [
    *asked["messages"],
    {"role": "assistant", "content": answer.content},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "Cold."}]},
]})
check("tools", answered.content[0].type == "text")

thinks = {**hello, "max_tokens": 40, "thinking": {"type": "enabled", "budget_tokens": 6}}
thought = client.messages.create(**thinks)
assert [block.type for block in thought.content] == ["thinking", "text"] and thought.content[0].thinking, thought
with client.messages.stream(**thinks) as stream:
    pieces = "".join(event.thinking for event in stream if event.type == "thinking")
    final = stream.get_final_message()
check("thinking", pieces == thought.content[0].thinking and final.content[1].text == thought.content[1].text)

listed = [each.id for each in client.models.list()]
check("models", listed == [MODEL] and client.models.retrieve(MODEL).type == "model")

image = {"type": "image", "source": {"type": "url", "url": "http://localhost/x.png"}}
for change, expected in (
    ({"model": "no-such-model"}, anthropic.NotFoundError),
    ({"extra_body": {"temperature": 9}}, anthropic.BadRequestError),
    ({"messages": [{"role": "user", "content": [image]}]}, anthropic.BadRequestError),
):
    raised = error(expected, lambda: client.messages.create(**{**hello, **change}))
    assert raised.body["type"] == "error" and raised.body["error"]["message"], raised.body
check("errors", True)
