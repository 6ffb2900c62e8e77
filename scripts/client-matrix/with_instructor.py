# SPDX-License-Identifier: Apache-2.0
import instructor
import openai
from pydantic import BaseModel, ConfigDict, Field

from served import KEY, MODEL, URL, check


class City(BaseModel):
    # A schema that says nothing of other members allows them.
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=20)
    inhabitants: int = Field(ge=0, le=99999999)


client = instructor.from_openai(
    openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0), mode=instructor.Mode.JSON_SCHEMA)
city = client.chat.completions.create(
    model=MODEL, response_model=City, max_retries=0, max_tokens=100, seed=1,
    messages=[{"role": "user", "content": "Describe Paris as JSON."}])
check("structured output", isinstance(city, City) and city.inhabitants >= 0)
