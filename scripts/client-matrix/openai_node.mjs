// SPDX-License-Identifier: Apache-2.0
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { CITIES, KEY, MODEL, QUESTION, URL, WEATHER_QUESTION, check, error } from "./served.mjs";

const client = new OpenAI({ baseURL: URL, apiKey: KEY, maxRetries: 0 });
const request = { model: MODEL, messages: QUESTION, max_tokens: 12, seed: 1 };

const chat = await client.chat.completions.create(request);
check("chat", chat.choices[0].message.content);

let text = "";
for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? "";
}
check("stream", text === chat.choices[0].message.content);

const weather = z.strictObject({ city: z.enum(CITIES) });
const tools = [
  { type: "function", function: { name: "weather", strict: true, parameters: z.toJSONSchema(weather) } },
];
const ask = { ...request, messages: WEATHER_QUESTION, max_tokens: 60, tools };
const asked = await client.chat.completions.create({ ...ask, tool_choice: "required", parallel_tool_calls: false });
const [call] = asked.choices[0].message.tool_calls;
weather.parse(JSON.parse(call.function.arguments));
const streamed = await client.chat.completions
  .stream({ ...ask, tool_choice: "required", parallel_tool_calls: false })
  .finalMessage();
const answered = await client.chat.completions.create({
  ...ask,
  tool_choice: "none",
  messages: [
    ...WEATHER_QUESTION,
    asked.choices[0].message,
    { role: "tool", tool_call_id: call.id, content: "Cold." },
  ],
});
// Runs the function by itself and asks again with its result.
const cities = [];
const runner = client.chat.completions.runTools({
  ...request,
  messages: WEATHER_QUESTION,
  max_tokens: 60,
  tool_choice: { type: "function", function: { name: "weather" } },
  tools: [
    {
      type: "function",
      function: {
        name: "weather",
        parameters: z.toJSONSchema(weather),
        parse: JSON.parse,
        function: ({ city }) => cities.push(city) && "Cold.",
      },
    },
  ],
});
await runner.done();
check(
  "tools",
  streamed.tool_calls[0].function.arguments === call.function.arguments &&
    answered.choices[0].message.content &&
    CITIES.includes(cities[0]),
);

const City = z.strictObject({
  name: z.string().max(20),
  colour: z.enum(["red", "green"]),
  inhabitants: z.int().min(0).max(99999999),
});
const describe = [{ role: "user", content: "Describe Paris as JSON." }];
const parsed = await client.chat.completions.parse({
  ...request,
  messages: describe,
  max_tokens: 100,
  response_format: zodResponseFormat(City, "city"),
});
check("structured output", City.parse(parsed.choices[0].message.parsed));

const thought = await client.chat.completions.create({
  ...request,
  chat_template_kwargs: { enable_thinking: true },
});
check("reasoning", thought.choices[0].message.reasoning_content);

const respond = { model: MODEL, input: QUESTION, max_output_tokens: 16, temperature: 0 };
const response = await client.responses.create(respond);
let output = "";
for await (const event of await client.responses.create({ ...respond, stream: true })) {
  output += event.type === "response.output_text.delta" ? event.delta : "";
}
const formed = await client.responses.parse({
  ...respond,
  input: describe,
  max_output_tokens: 100,
  text: { format: zodTextFormat(City, "city") },
});
check("responses", output && output === response.output_text && City.parse(formed.output_parsed));

// This client asks for base64 by itself.
const vectors = await client.embeddings.create({ model: MODEL, input: ["one", "two"], dimensions: 16 });
check("embeddings", vectors.data.every((each) => each.embedding.length === 16));

const models = await client.models.list();
check("models", models.data[0].id === MODEL);

const unknown = await error(client.chat.completions.create({ ...request, model: "another" }));
const refused = await error(client.chat.completions.create({ ...request, no_repeat_ngram_size: 3 }));
check(
  "errors",
  unknown instanceof OpenAI.NotFoundError &&
    unknown.code === "model_not_found" &&
    refused instanceof OpenAI.BadRequestError &&
    refused.param === "no_repeat_ngram_size",
);
