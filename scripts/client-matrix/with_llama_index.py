# SPDX-License-Identifier: Apache-2.0
import asyncio
from typing import Literal

import openai
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, ConfigDict, Field

from served import CITIES, KEY, MODEL, REFUSED, TEXT, URL, WEATHER_TEXT, Colour, check, error

to = {"api_base": URL, "api_key": KEY, "model": MODEL, "is_chat_model": True, "temperature": 0, "max_retries": 0}
model = OpenAILike(max_tokens=12, **to)
messages = [ChatMessage(role="user", content=TEXT)]
answer = model.chat(messages)
check("chat", answer.message.content)
check("stream", "".join(chunk.delta or "" for chunk in model.stream_chat(messages)) == answer.message.content)
check("completion", OpenAILike(**{**to, "is_chat_model": False}, max_tokens=4).complete("Once upon a time").text)


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    city: Literal["Oslo", "Rome"]


def weather(city: str) -> str:
    """The weather of a city."""
    return "Cold in " + city


caller = OpenAILike(max_tokens=60, is_function_calling_model=True, **to)
tool = FunctionTool.from_defaults(weather, fn_schema=Place)
asked = caller.chat_with_tools([tool], user_msg=WEATHER_TEXT, tool_required=True, allow_parallel_tool_calls=False)
calls = caller.get_tool_calls_from_response(asked)
assert [(call.tool_name, call.tool_kwargs["city"] in CITIES) for call in calls] == [("weather", True)], asked
*_, streamed = caller.stream_chat_with_tools([tool], user_msg=WEATHER_TEXT, tool_required=True, allow_parallel_tool_calls=False)
assert caller.get_tool_calls_from_response(streamed)[0].tool_kwargs == calls[0].tool_kwargs, streamed
result = ChatMessage(role="tool", content="Cold.", additional_kwargs={"tool_call_id": calls[0].tool_id})
answered = caller.chat_with_tools(
    [tool], tool_choice="none", chat_history=[ChatMessage(role="user", content=WEATHER_TEXT), asked.message, result])
check("tools", answered.message.content)


def turn(city):
    """A question, the call that answers it, and what comes of it: the agent's model does what it did before."""
    call = {"id": "call_" + city, "type": "function", "function": {"name": "weather", "arguments": '{"city":"%s"}' % city}}
    return [
        ChatMessage(role="user", content="How is the weather in %s?" % city),
        ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [call]}),
        ChatMessage(role="tool", content="Cold in " + city, additional_kwargs={"tool_call_id": call["id"]}),
        ChatMessage(role="assistant", content="It is cold in %s." % city)]


async def ask_agent():
    agent = FunctionAgent(tools=[tool], llm=caller)
    return await agent.run(user_msg=WEATHER_TEXT, chat_history=[*turn("Rome"), *turn("Oslo"), *turn("Rome")])


told = asyncio.run(ask_agent())
check("agent", [str(call.tool_output) for call in told.tool_calls] == ["Cold in Oslo"] and told.response.content)


class City(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=20)
    colour: Colour
    inhabitants: int = Field(ge=0, le=99999999)


described = PromptTemplate("Describe Paris as JSON.")
city = caller.structured_predict(City, described)
assert isinstance(city, City), city
by_schema = OpenAILike(max_tokens=100, should_use_structured_outputs=True, **to)
check("structured output", isinstance(by_schema.structured_predict(City, described), City))

embeddings = OpenAILikeEmbedding(api_base=URL, api_key=KEY, model_name=MODEL)
check("embeddings", len(embeddings.get_text_embedding("one")) > 0)

refused = error(openai.BadRequestError, lambda: model.chat(messages, extra_body=REFUSED))
check("errors", [refused.param] == list(REFUSED))
