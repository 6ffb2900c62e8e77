// SPDX-License-Identifier: Apache-2.0
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, streamText } from "ai";
import { KEY, MODEL, URL, check } from "./served.mjs";

const lockstep = createOpenAICompatible({ name: "lockstep", baseURL: URL, apiKey: KEY });
const request = {
  model: lockstep(MODEL),
  prompt: "What is the capital of France?",
  maxOutputTokens: 12,
  temperature: 0,
  maxRetries: 0,
};
const answer = await generateText(request);
check("chat", answer.text && answer.finishReason);
check("stream", (await streamText(request).text) === answer.text);
const vectors = await embedMany({ model: lockstep.textEmbeddingModel(MODEL), values: ["one", "two"], maxRetries: 0 });
check("embeddings", vectors.embeddings.length === 2);
