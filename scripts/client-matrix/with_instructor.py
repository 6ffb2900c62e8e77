# SPDX-License-Identifier: Apache-2.0
from typing import Literal

import instructor
import openai
from instructor.core import InstructorRetryException
from pydantic import BaseModel, ConfigDict, Field

from served import KEY, MODEL, REFUSED, URL, check, error

raw = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)
asks = {
    "model": MODEL, "max_retries": 0, "max_tokens": 100, "temperature": 0,
    "messages": [{"role": "user", "content": "Describe Paris as JSON."}]}


class City(BaseModel):
    # A schema that says nothing of other members allows them.
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=20)
    colour: Literal["red", "green"]
    inhabitants: int = Field(ge=0, le=99999999)


client = instructor.from_openai(raw, mode=instructor.Mode.JSON_SCHEMA)
city = client.chat.completions.create(response_model=City, **asks)
check("structured output", isinstance(city, City))
*_, streamed = client.chat.completions.create_partial(response_model=City, **asks)
check("stream", streamed.model_dump() == city.model_dump())

for mode in (instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT):
    called = instructor.from_openai(raw, mode=mode).chat.completions.create(response_model=City, **asks)
    assert isinstance(called, City), called
check("tools", True)

refused = error(InstructorRetryException, lambda: client.chat.completions.create(
    response_model=City, extra_body=REFUSED, **asks))
check("errors", isinstance(refused.__cause__, openai.BadRequestError) or "no_repeat_ngram_size" in str(refused))
