# SPDX-License-Identifier: Apache-2.0
import json
import os

# It would otherwise ask a host of its authors for prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from pydantic import BaseModel, Field

from served import (
    CITIES, KEY, MODEL, QUESTION, REFUSED, ROOT_URL, URL, WEATHER_QUESTION, WEATHER_SCHEMA, Colour, check, error)


class City(BaseModel):
    name: str = Field(max_length=20)
    colour: Colour
    inhabitants: int = Field(ge=0, le=99999999)


tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA}}]
must = {"type": "function", "function": {"name": "weather"}}


def exchange(name, thinks, **to):
    """Chats through one of the server's APIs."""
    answer = litellm.completion(messages=QUESTION, max_tokens=12, **to)
    assert answer.choices[0].message.content and answer.usage.completion_tokens > 0, answer
    stream = litellm.completion(messages=QUESTION, max_tokens=12, stream=True, **to)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == answer.choices[0].message.content, text

    asked = litellm.completion(messages=WEATHER_QUESTION, max_tokens=60, tools=tools, tool_choice=must, **to)
    message = asked.choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments)["city"] in CITIES, asked
    chunks = list(litellm.completion(
        messages=WEATHER_QUESTION, max_tokens=60, tools=tools, tool_choice=must, stream=True, **to))
    built = litellm.stream_chunk_builder(chunks).choices[0].message
    streamed = json.loads(built.tool_calls[0].function.arguments)
    assert streamed == json.loads(message.tool_calls[0].function.arguments), built
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Cold."}
    answered = litellm.completion(
        messages=[*WEATHER_QUESTION, message.model_dump(), result], max_tokens=12, tools=tools, tool_choice="none", **to)
    assert answered.choices[0].message.content, answered

    thought = litellm.completion(messages=QUESTION, **thinks, **to)
    assert thought.choices[0].message.reasoning_content, thought
    unknown = error(litellm.NotFoundError, lambda: litellm.completion(
        messages=QUESTION, **{**to, "model": to["model"] + "-2"}))
    assert unknown.status_code == 404, unknown
    check(name, True)


to = {"model": "openai/" + MODEL, "api_base": URL, "api_key": KEY, "num_retries": 0, "temperature": 0}
exchange(
    "chat, stream, tools, reasoning",
    {"max_tokens": 8, "extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}, **to)
exchange(
    "the same through Anthropic's API",
    {"max_tokens": 1100, "thinking": {"type": "enabled", "budget_tokens": 1024}, "allowed_openai_params": ["thinking"]},
    **{**to, "model": "anthropic/" + MODEL, "api_base": ROOT_URL})

described = litellm.completion(
    messages=[{"role": "user", "content": "Describe Paris as JSON."}], max_tokens=100, response_format=City, **to)
check("structured output", City.model_validate_json(described.choices[0].message.content))
check("embeddings", len(litellm.embedding(input=["one"], model=to["model"], api_base=URL, api_key=KEY).data) == 1)
refused = error(litellm.BadRequestError, lambda: litellm.completion(messages=QUESTION, extra_body=REFUSED, **to))
check("errors", "no_repeat_ngram_size" in refused.message)
