# SPDX-License-Identifier: Apache-2.0
import openai
from pydantic import BaseModel, Field

from served import KEY, MODEL, QUESTION, URL, check

client = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)

chat = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=12, seed=1, logprobs=True, top_logprobs=2)
check("chat", chat.choices[0].message.content and len(chat.choices[0].logprobs.content[0].top_logprobs) == 2)

chunks = list(client.chat.completions.create(
    model=MODEL, messages=QUESTION, max_tokens=12, seed=1, stream=True, stream_options={"include_usage": True}))
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
check("stream", text == chat.choices[0].message.content and chunks[-1].usage.total_tokens == chat.usage.total_tokens)



class City(BaseModel):
    name: str = Field(max_length=20)
    inhabitants: int = Field(ge=0, le=99999999)


city = client.chat.completions.parse(
    model=MODEL, response_format=City, max_tokens=100, seed=1,
    messages=[{"role": "user", "content": "Describe Paris as JSON."}])
check("structured output", isinstance(city.choices[0].message.parsed, City))

response = client.responses.create(model=MODEL, input="What is the capital of France?", max_output_tokens=16)
check("responses", response.output_text)

completion = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=4, n=1, best_of=2, echo=True)
check("completion", completion.choices[0].text.startswith("Once upon a time"))

vectors = client.embeddings.create(model=MODEL, input=["one", "two"], dimensions=16)
check("embeddings", [len(each.embedding) for each in vectors.data] == [16, 16])

check("models", [model.id for model in client.models.list()] == [MODEL] and client.models.retrieve(MODEL).id == MODEL)

try:
    client.chat.completions.create(model="another", messages=QUESTION)
    check("errors", False)
except openai.NotFoundError as error:
    check("errors", error.code == "model_not_found")
