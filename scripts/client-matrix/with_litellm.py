# SPDX-License-Identifier: Apache-2.0
import os

# It would otherwise ask a host of its authors for prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from served import KEY, MODEL, QUESTION, URL, check

to = {"model": "openai/" + MODEL, "api_base": URL, "api_key": KEY, "num_retries": 0}
answer = litellm.completion(messages=QUESTION, max_tokens=12, seed=1, **to)
check("chat", answer.choices[0].message.content)
stream = litellm.completion(messages=QUESTION, max_tokens=12, seed=1, stream=True, **to)
text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
check("stream", text == answer.choices[0].message.content)
check("embeddings", len(litellm.embedding(input=["one"], **to).data) == 1)
