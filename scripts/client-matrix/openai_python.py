# SPDX-License-Identifier: Apache-2.0
import json
from typing import Literal

import openai
from pydantic import BaseModel, ConfigDict, Field

from served import CITIES, KEY, MODEL, QUESTION, REFUSED, TEXT, URL, WEATHER_QUESTION, WEATHER_SCHEMA, check, error

client = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)
to = {"model": MODEL, "seed": 1}

chat = client.chat.completions.create(messages=QUESTION, max_tokens=12, logprobs=True, top_logprobs=2, **to)
check("chat", chat.choices[0].message.content and len(chat.choices[0].logprobs.content[0].top_logprobs) == 2)

chunks = list(client.chat.completions.create(
    messages=QUESTION, max_tokens=12, stream=True, stream_options={"include_usage": True}, **to))
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
check("stream", text == chat.choices[0].message.content and chunks[-1].usage.total_tokens == chat.usage.total_tokens)

tools = [{"type": "function", "function": {
    "name": "weather", "description": "The weather of a city.", "parameters": WEATHER_SCHEMA, "strict": True}}]
asked = client.chat.completions.create(
    messages=WEATHER_QUESTION, max_tokens=60, tools=tools, tool_choice="required", parallel_tool_calls=False, **to)
call = asked.choices[0].message.tool_calls[0]
assert asked.choices[0].finish_reason == "tool_calls" and call.function.name == "weather", asked
assert json.loads(call.function.arguments)["city"] in CITIES, asked
with client.chat.completions.stream(
        messages=WEATHER_QUESTION, max_tokens=60, tools=tools, tool_choice="required", parallel_tool_calls=False,
        **to) as stream:
    done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    streamed = stream.get_final_completion().choices[0].message.tool_calls[0]
assert [each.arguments for each in done] == [call.function.arguments], done
assert streamed.function.arguments == call.function.arguments, streamed
answered = client.chat.completions.create(messages=[
    *WEATHER_QUESTION, asked.choices[0].message,
    {"role": "tool", "tool_call_id": call.id, "content": "Cold."}], max_tokens=12, tools=tools, tool_choice="none", **to)
check("tools", answered.choices[0].message.content)


class City(BaseModel):
    name: str = Field(max_length=20)
    river: Literal["Seine", "Tiber"]
    inhabitants: int = Field(ge=0, le=99999999)


describe = [{"role": "user", "content": "Describe Paris as JSON."}]
city = client.chat.completions.parse(response_format=City, max_tokens=100, messages=describe, **to)
assert isinstance(city.choices[0].message.parsed, City), city
with client.chat.completions.stream(response_format=City, max_tokens=100, messages=describe, **to) as stream:
    streamed = stream.get_final_completion()
check("structured output", streamed.choices[0].message.parsed == city.choices[0].message.parsed)

# Thinking ends after so many tokens; what follows has the schema.
thinks = {"chat_template_kwargs": {"enable_thinking": True}, "thinking_token_budget": 6}
thought = client.chat.completions.parse(
    response_format=City, max_tokens=100, messages=describe, extra_body=thinks, **to).choices[0].message
assert thought.reasoning_content and isinstance(thought.parsed, City), thought
chunks = client.chat.completions.create(max_tokens=30, messages=QUESTION, extra_body=thinks, stream=True, **to)
deltas = [chunk.choices[0].delta for chunk in chunks]
check("reasoning", any(getattr(each, "reasoning_content", None) for each in deltas) and any(each.content for each in deltas))

response = client.responses.create(model=MODEL, input=TEXT, max_output_tokens=16, temperature=0)
assert response.output_text, response
with client.responses.stream(model=MODEL, input=TEXT, max_output_tokens=16, temperature=0) as stream:
    streamed = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert streamed == stream.get_final_response().output_text == response.output_text, streamed
tool = {"type": "function", "name": "weather", "parameters": WEATHER_SCHEMA, "strict": True}
asked = client.responses.create(
    model=MODEL, input=WEATHER_QUESTION, max_output_tokens=60, tools=[tool], tool_choice="required", temperature=0,
    parallel_tool_calls=False)
call = [each for each in asked.output if each.type == "function_call"][0]
assert json.loads(call.arguments)["city"] in CITIES, asked
answered = client.responses.create(
    model=MODEL, previous_response_id=asked.id, max_output_tokens=12, tools=[tool], tool_choice="none",
    input=[{"type": "function_call_output", "call_id": call.call_id, "output": "Cold."}])
assert answered.output_text, answered
parsed = client.responses.parse(model=MODEL, input=describe, text_format=City, max_output_tokens=100, temperature=0)
assert isinstance(parsed.output_parsed, City), parsed
assert client.responses.retrieve(asked.id).id == asked.id
check("responses", client.responses.delete(asked.id) is None)

completion = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=4, n=1, best_of=2, echo=True)
check("completions", completion.choices[0].text.startswith("Once upon a time"))

vectors = client.embeddings.create(model=MODEL, input=["one", "two"], dimensions=16)
check("embeddings", [len(each.embedding) for each in vectors.data] == [16, 16])

check("models", [model.id for model in client.models.list()] == [MODEL] and client.models.retrieve(MODEL).id == MODEL)

unknown = error(openai.NotFoundError, lambda: client.chat.completions.create(model="another", messages=QUESTION))
refused = error(openai.BadRequestError, lambda: client.chat.completions.create(messages=QUESTION, extra_body=REFUSED, **to))
hot = error(openai.BadRequestError, lambda: list(
    client.chat.completions.create(messages=QUESTION, temperature=9, stream=True, **to)))
check("errors", (unknown.code, refused.param, hot.param) == ("model_not_found", *REFUSED, "temperature"))
