# SPDX-License-Identifier: Apache-2.0
import asyncio
from typing import Literal

import openai
from agents import (
    Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner, function_tool)
from pydantic import BaseModel, Field

from served import KEY, MODEL, REFUSED, TEXT, URL, WEATHER_TEXT, Colour, check

client = openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)
config = RunConfig(tracing_disabled=True)
asked_of = []


@function_tool
def weather(city: Literal["Oslo", "Rome"]) -> str:
    """The weather of a city."""
    asked_of.append(city)
    return "Cold in " + city


class City(BaseModel):
    name: str = Field(max_length=20)
    colour: Colour
    inhabitants: int = Field(ge=0, le=99999999)


def agent(model, tokens, **more):
    settings = ModelSettings(max_tokens=tokens, temperature=0, **more.pop("settings", {}))
    return Agent(name="guide", model=model(model=MODEL, openai_client=client), model_settings=settings, **more)


async def streamed(of, question):
    run = Runner.run_streamed(of, question, run_config=config)
    async for _ in run.stream_events():
        pass
    return run.final_output


async def use(name, model):
    guide = agent(model, 60)
    answer = await Runner.run(guide, TEXT, run_config=config)
    assert answer.final_output, answer
    assert await streamed(guide, TEXT) == answer.final_output

    # After a call the agent lets the model choose.
    forecaster = agent(model, 60, tools=[weather], settings={"tool_choice": "required", "parallel_tool_calls": False})
    told = await Runner.run(forecaster, WEATHER_TEXT, run_config=config)
    assert told.final_output and len(asked_of) == 1, (told, asked_of)
    assert await streamed(forecaster, WEATHER_TEXT) == told.final_output and asked_of[0] == asked_of[1], asked_of
    asked_of.clear()

    described = await Runner.run(agent(model, 100, output_type=City), "Describe Paris as JSON.", run_config=config)
    assert isinstance(described.final_output, City), described
    try:
        await Runner.run(agent(model, 8, settings={"extra_body": REFUSED}), TEXT, run_config=config)
        check("errors", False)
    except openai.BadRequestError as refused:
        assert [refused.param] == list(REFUSED), refused
    check(name, True)


async def run():
    await use("chat, stream, a function tool, structured output, errors", OpenAIChatCompletionsModel)
    await use("the same over responses", OpenAIResponsesModel)


asyncio.run(run())
