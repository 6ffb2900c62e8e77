# SPDX-License-Identifier: Apache-2.0
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from served import KEY, MODEL, URL, check

model = ChatOpenAI(base_url=URL, api_key=KEY, model=MODEL, max_tokens=12, temperature=0, max_retries=0)
answer = model.invoke("What is the capital of France?")
check("chat", answer.content and answer.usage_metadata["output_tokens"] > 0)
check("stream", "".join(chunk.content for chunk in model.stream("What is the capital of France?")) == answer.content)

# Without the tokenizer of an OpenAI model the texts themselves are sent.
embeddings = OpenAIEmbeddings(base_url=URL, api_key=KEY, model=MODEL, check_embedding_ctx_length=False)
check("embeddings", len(embeddings.embed_documents(["one", "two"])) == 2)
