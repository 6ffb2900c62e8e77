// SPDX-License-Identifier: Apache-2.0
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { CITIES, KEY, MODEL, URL, check, error } from "./served.mjs";

const lockstep = createOpenAICompatible({
  name: "lockstep",
  baseURL: URL,
  apiKey: KEY,
  supportsStructuredOutputs: true,
});
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

const told = {
  ...request,
  prompt: "How is the weather in Oslo?",
  maxOutputTokens: 60,
  stopWhen: stepCountIs(2),
  // The second step answers with what the function gave.
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
  tools: {
    weather: tool({
      description: "The weather of a city.",
      inputSchema: z.strictObject({ city: z.enum(CITIES) }),
      execute: ({ city }) => "Cold in " + city,
    }),
  },
};
const steps = await generateText(told);
const [result] = steps.steps[0].toolResults;
const streamed = streamText(told);
const again = await streamed.steps;
check(
  "tools",
  result.output === "Cold in " + result.input.city &&
    CITIES.includes(result.input.city) &&
    steps.text &&
    again[0].toolResults[0].output === result.output &&
    (await streamed.text) === steps.text,
);

const schema = z.strictObject({
  name: z.string().max(20),
  colour: z.enum(["red", "green"]),
  inhabitants: z.int().min(0).max(99999999),
});
const describe = { ...request, prompt: "Describe Paris as JSON.", maxOutputTokens: 100, output: Output.object({ schema }) };
const { output } = await generateText(describe);
check("structured output", JSON.stringify(output) === JSON.stringify(await streamText(describe).output));

const thinks = { ...request, providerOptions: { lockstep: { chat_template_kwargs: { enable_thinking: true } } } };
const thought = await generateText(thinks);
check("reasoning", thought.reasoningText && (await streamText(thinks).reasoningText) === thought.reasoningText);

// The provider for OpenAI itself speaks /v1/responses.
const responses = createOpenAI({ baseURL: URL, apiKey: KEY }).responses(MODEL);
const response = await generateText({ ...request, maxOutputTokens: 16, model: responses });
const called = await generateText({ ...told, model: responses });
const formed = await generateText({ ...describe, model: responses });
check(
  "responses",
  response.text &&
    (await streamText({ ...request, maxOutputTokens: 16, model: responses }).text) === response.text &&
    called.steps[0].toolResults[0].output === "Cold in " + called.steps[0].toolResults[0].input.city &&
    called.text &&
    formed.output.name,
);

const vectors = await embedMany({ model: lockstep.embeddingModel(MODEL), values: ["one", "two"], maxRetries: 0 });
check("embeddings", vectors.embeddings.length === 2);

const refused = await error(
  generateText({ ...request, providerOptions: { lockstep: { no_repeat_ngram_size: 3 } } }),
);
check("errors", refused instanceof APICallError && refused.statusCode === 400 && /no_repeat_ngram_size/.test(refused.message));
