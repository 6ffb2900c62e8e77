# SPDX-License-Identifier: Apache-2.0
import asyncio

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, RunConfig, Runner
from openai import AsyncOpenAI

from served import KEY, MODEL, URL, check

client = AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)
agent = Agent(
    name="guide",
    instructions="Answer briefly.",
    model=OpenAIChatCompletionsModel(model=MODEL, openai_client=client),
    model_settings=ModelSettings(max_tokens=12, temperature=0))


async def run():
    config = RunConfig(tracing_disabled=True)
    answer = await Runner.run(agent, "What is the capital of France?", run_config=config)
    check("chat", answer.final_output)
    streamed = Runner.run_streamed(agent, "What is the capital of France?", run_config=config)
    async for _ in streamed.stream_events():
        pass
    check("stream", streamed.final_output == answer.final_output)


asyncio.run(run())
