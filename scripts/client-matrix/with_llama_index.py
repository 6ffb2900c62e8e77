# SPDX-License-Identifier: Apache-2.0
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

from served import KEY, MODEL, URL, check

model = OpenAILike(
    api_base=URL, api_key=KEY, model=MODEL, is_chat_model=True, max_tokens=12, temperature=0, max_retries=0)
messages = [ChatMessage(role="user", content="What is the capital of France?")]
answer = model.chat(messages)
check("chat", answer.message.content)
check("stream", "".join(chunk.delta or "" for chunk in model.stream_chat(messages)) == answer.message.content)

embeddings = OpenAILikeEmbedding(api_base=URL, api_key=KEY, model_name=MODEL)
check("embeddings", len(embeddings.get_text_embedding("one")) > 0)
