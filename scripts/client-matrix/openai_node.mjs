// SPDX-License-Identifier: Apache-2.0
import OpenAI from "openai";
import { KEY, MODEL, QUESTION, URL, check } from "./served.mjs";

const client = new OpenAI({ baseURL: URL, apiKey: KEY, maxRetries: 0 });
const request = { model: MODEL, messages: QUESTION, max_tokens: 12, seed: 1 };

const chat = await client.chat.completions.create(request);
check("chat", chat.choices[0].message.content);

let text = "";
for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? "";
}
check("stream", text === chat.choices[0].message.content);

// This client asks for base64 by itself.
const vectors = await client.embeddings.create({ model: MODEL, input: ["one", "two"], dimensions: 16 });
check("embeddings", vectors.data.every((each) => each.embedding.length === 16));

const models = await client.models.list();
check("models", models.data[0].id === MODEL);

const error = await client.chat.completions.create({ ...request, model: "another" }).catch((e) => e);
check("errors", error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
