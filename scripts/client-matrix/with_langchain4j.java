// SPDX-License-Identifier: Apache-2.0

import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.memory.chat.MessageWindowChatMemory;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiEmbeddingModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.Result;
import dev.langchain4j.service.TokenStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

record City(Served.Colour colour, boolean capital) {}

interface Guide {
    Result<String> answer(String question);
}

interface Teller {
    TokenStream answer(String question);
}

interface Geographer {
    City describe(String what);
}

static class Forecast {
    @Tool("The weather of a city.")
    String weather(Served.Place city) {
        return "Cold in " + city;
    }
}

OpenAiChatModel.OpenAiChatModelBuilder model(int tokens) {
    return OpenAiChatModel.builder()
            .baseUrl(Served.URL)
            .apiKey(Served.KEY)
            .modelName(Served.MODEL)
            .maxRetries(0)
            .maxTokens(tokens)
            .temperature(0.0);
}

OpenAiStreamingChatModel streaming(int tokens) {
    return OpenAiStreamingChatModel.builder()
            .baseUrl(Served.URL)
            .apiKey(Served.KEY)
            .modelName(Served.MODEL)
            .maxTokens(tokens)
            .temperature(0.0)
            .build();
}

/// A question, the call that answers it, and what comes of it: the model does what it did before.
List<ChatMessage> turn(String city) {
    ToolExecutionRequest call =
            ToolExecutionRequest.builder()
                    .id("call_" + city)
                    .name("weather")
                    .arguments("{\"city\":\"%s\"}".formatted(city))
                    .build();
    return List.of(
            UserMessage.from("How is the weather in " + city + "?"),
            AiMessage.from(call),
            ToolExecutionResultMessage.from(call, "Cold in " + city),
            AiMessage.from("It is cold in " + city + "."));
}

MessageWindowChatMemory memory() {
    MessageWindowChatMemory memory = MessageWindowChatMemory.withMaxMessages(30);
    List.of("Rome", "Oslo", "Rome").forEach(city -> turn(city).forEach(memory::add));
    return memory;
}

String finish(TokenStream answer, List<String> results) throws Exception {
    var pieces = new StringBuilder();
    CompletableFuture<Void> end = new CompletableFuture<>();
    answer.onPartialResponse(pieces::append)
            .onToolExecuted(execution -> results.add(execution.result()))
            .onCompleteResponse(response -> end.complete(null))
            .onError(end::completeExceptionally)
            .start();
    end.get();
    return pieces.toString();
}

void main() throws Exception {
    String answer = model(12).build().chat(Served.QUESTION);
    Served.check("chat", !answer.isEmpty());
    Teller teller = AiServices.create(Teller.class, streaming(12));
    Served.check("stream", finish(teller.answer(Served.QUESTION), List.of()).equals(answer));

    Guide guide =
            AiServices.builder(Guide.class)
                    .chatModel(model(60).strictTools(true).build())
                    .tools(new Forecast())
                    .chatMemory(memory())
                    .build();
    Result<String> told = guide.answer(Served.WEATHER_QUESTION);
    List<String> results = new ArrayList<>();
    Teller telling =
            AiServices.builder(Teller.class)
                    .streamingChatModel(streaming(60))
                    .tools(new Forecast())
                    .chatMemory(memory())
                    .build();
    String pieces = finish(telling.answer(Served.WEATHER_QUESTION), results);
    Served.check(
            "tools",
            told.toolExecutions().getFirst().result().contains("Cold in Oslo")
                    && results.equals(List.of(told.toolExecutions().getFirst().result()))
                    && pieces.equals(told.content()));

    Geographer geographer =
            AiServices.create(
                    Geographer.class,
                    model(100)
                            .supportedCapabilities(Capability.RESPONSE_FORMAT_JSON_SCHEMA)
                            .strictJsonSchema(true)
                            .build());
    Served.check("structured output", geographer.describe("Describe Paris as JSON.").colour() != null);

    OpenAiChatModel thinks =
            model(8).returnThinking(true)
                    .customParameters(Map.of("chat_template_kwargs", Map.of("enable_thinking", true)))
                    .build();
    Served.check(
            "reasoning",
            !thinks.chat(UserMessage.from(Served.QUESTION)).aiMessage().thinking().isEmpty());

    OpenAiEmbeddingModel embeddings =
            OpenAiEmbeddingModel.builder()
                    .baseUrl(Served.URL)
                    .apiKey(Served.KEY)
                    .modelName(Served.MODEL)
                    .dimensions(16)
                    .build();
    Served.check(
            "embeddings",
            embeddings.embedAll(List.of(TextSegment.from("one"), TextSegment.from("two"))).content().stream()
                    .allMatch(each -> each.dimension() == 16));

    Served.error(ModelNotFoundException.class, () -> model(4).modelName("another").build().chat("Hello"));
    InvalidRequestException refused =
            Served.error(
                    InvalidRequestException.class,
                    () -> model(4).customParameters(Map.of(Served.REFUSED, 3)).build().chat("Hello"));
    Served.check("errors", refused.getMessage().contains(Served.REFUSED));
    System.exit(0);
}
