# SPDX-License-Identifier: Apache-2.0
from typing import Literal

import openai
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, ConfigDict, Field

from served import CITIES, KEY, MODEL, REFUSED, TEXT, URL, WEATHER_TEXT, Colour, check, error

to = {"base_url": URL, "api_key": KEY, "model": MODEL, "temperature": 0, "max_retries": 0}
model = ChatOpenAI(max_tokens=12, **to)
answer = model.invoke(TEXT)
check("chat", answer.content and answer.usage_metadata["output_tokens"] > 0)
chunks = list(model.stream(TEXT, stream_usage=True))
assert chunks[-1].usage_metadata or any(chunk.usage_metadata for chunk in chunks), chunks
check("stream", "".join(chunk.content for chunk in chunks) == answer.content)


@tool
def weather(city: Literal["Oslo", "Rome"]) -> str:
    """The weather of a city."""
    return "Cold in " + city


longer = ChatOpenAI(max_tokens=100, **to)
must = longer.bind_tools([weather], tool_choice="any", strict=True, parallel_tool_calls=False)
asked = must.invoke(WEATHER_TEXT)
assert [(call["name"], call["args"]["city"] in CITIES) for call in asked.tool_calls] == [("weather", True)], asked
gathered = None
for chunk in must.stream(WEATHER_TEXT):
    gathered = chunk if gathered is None else gathered + chunk
assert [call["args"] for call in gathered.tool_calls] == [call["args"] for call in asked.tool_calls], gathered
result = weather.invoke(asked.tool_calls[0])
assert isinstance(result, ToolMessage), result
may = model.bind_tools([weather], tool_choice="none")
check("tools", may.invoke([HumanMessage(WEATHER_TEXT), asked, result]).content)


class City(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=20)
    colour: Colour
    inhabitants: int = Field(ge=0, le=99999999)


for method in ("json_schema", "function_calling"):
    structured = longer.with_structured_output(City, method=method, strict=True)
    assert isinstance(structured.invoke("Describe Paris as JSON."), City), method
check("structured output", True)

# The agent's model may call: it does where it did before.
agent = create_agent(longer, [weather], response_format=None)
history = []
for each in ("Rome", "Oslo", "Rome"):
    call = {"name": "weather", "args": {"city": each}, "id": "call_" + str(len(history))}
    history += [
        HumanMessage("How is the weather in %s?" % each),
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": call["id"], "type": "function", "function": {"name": "weather", "arguments": '{"city": "%s"}' % each}}]},
        ToolMessage("Cold in " + each, tool_call_id=call["id"]),
        {"role": "assistant", "content": "It is cold in %s." % each}]
said = agent.invoke({"messages": [*history, HumanMessage(WEATHER_TEXT)]})["messages"]
check("agent", isinstance(said[-2], ToolMessage) and said[-2].content == "Cold in Oslo" and said[-1].content)

responses = ChatOpenAI(max_tokens=16, use_responses_api=True, **to)
check("responses", responses.invoke(TEXT).text and "".join(chunk.text for chunk in responses.stream(TEXT)))

# Without the tokenizer of an OpenAI model the texts themselves are sent.
embeddings = OpenAIEmbeddings(base_url=URL, api_key=KEY, model=MODEL, check_embedding_ctx_length=False)
check("embeddings", len(embeddings.embed_documents(["one", "two"])) == 2)

refused = error(openai.BadRequestError, lambda: ChatOpenAI(extra_body=REFUSED, **to).invoke(TEXT))
check("errors", [refused.param] == list(REFUSED))
