// SPDX-License-Identifier: Apache-2.0

import com.fasterxml.jackson.annotation.JsonClassDescription;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionFunctionTool;
import com.openai.models.chat.completions.ChatCompletionMessageFunctionToolCall;
import com.openai.models.chat.completions.ChatCompletionToolChoiceOption;
import com.openai.models.chat.completions.ChatCompletionToolMessageParam;
import com.openai.models.embeddings.EmbeddingCreateParams;
import com.openai.models.responses.Response;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.StructuredResponse;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

final OpenAIClient client =
        OpenAIOkHttpClient.builder().baseUrl(Served.URL).apiKey(Served.KEY).maxRetries(0).build();

static class City {
    public Served.Colour colour;
    public boolean capital;
}

@JsonClassDescription("The weather of a city.")
static class Weather {
    public Served.Place city;
}

ChatCompletionCreateParams.Builder ask(String question, int tokens) {
    return ChatCompletionCreateParams.builder()
            .model(Served.MODEL)
            .addUserMessage(question)
            .maxCompletionTokens(tokens)
            .temperature(0);
}

ChatCompletion streamed(ChatCompletionCreateParams params) {
    ChatCompletionAccumulator gathered = ChatCompletionAccumulator.create();
    try (StreamResponse<ChatCompletionChunk> chunks = client.chat().completions().createStreaming(params)) {
        chunks.stream().forEach(gathered::accumulate);
    }
    return gathered.chatCompletion();
}

Optional<String> content(ChatCompletion completion) {
    return completion.choices().getFirst().message().content();
}

ChatCompletionMessageFunctionToolCall call(ChatCompletion completion) {
    return completion.choices().getFirst().message().toolCalls().orElseThrow().getFirst().asFunction();
}

String text(Response response) {
    return response.output().stream()
            .flatMap(item -> item.message().stream())
            .flatMap(message -> message.content().stream())
            .flatMap(content -> content.outputText().stream())
            .map(text -> text.text())
            .collect(Collectors.joining());
}

void main() {
    ChatCompletion chat = client.chat().completions().create(ask(Served.QUESTION, 12).build());
    Served.check("chat", !content(chat).orElseThrow().isEmpty());
    Served.check("stream", content(streamed(ask(Served.QUESTION, 12).build())).equals(content(chat)));

    ChatCompletionCreateParams must =
            ask(Served.WEATHER_QUESTION, 60)
                    .addTool(Weather.class)
                    .toolChoice(ChatCompletionToolChoiceOption.Auto.REQUIRED)
                    .parallelToolCalls(false)
                    .build();
    ChatCompletion asked = client.chat().completions().create(must);
    ChatCompletionMessageFunctionToolCall call = call(asked);
    boolean same = call(streamed(must)).function().arguments().equals(call.function().arguments());
    Weather weather = call.function().arguments(Weather.class);
    ChatCompletionCreateParams.Builder next =
            must.toBuilder()
                    .addMessage(asked.choices().getFirst().message())
                    .addMessage(
                            ChatCompletionToolMessageParam.builder().toolCallId(call.id()).content("Cold.").build())
                    .toolChoice(ChatCompletionToolChoiceOption.Auto.NONE);
    ChatCompletion answered = client.chat().completions().create(next.build());
    Served.check("tools", same && weather.city != null && content(answered).isPresent());

    City city =
            client.chat()
                    .completions()
                    .create(ask("Describe Paris as JSON.", 100).responseFormat(City.class).build())
                    .choices()
                    .getFirst()
                    .message()
                    .content()
                    .orElseThrow();
    Served.check("structured output", city.colour != null);

    ChatCompletionCreateParams thinks =
            ask(Served.QUESTION, 8)
                    .putAdditionalBodyProperty(
                            "chat_template_kwargs", JsonValue.from(Map.of("enable_thinking", true)))
                    .build();
    Served.check(
            "reasoning",
            client.chat().completions().create(thinks).choices().getFirst().message()
                    ._additionalProperties()
                    .containsKey("reasoning_content"));

    ResponseCreateParams.Builder respond =
            ResponseCreateParams.builder().model(Served.MODEL).input(Served.QUESTION).maxOutputTokens(100).temperature(0);
    StructuredResponse<City> formed = client.responses().create(respond.text(City.class).build());
    Served.check(
            "responses",
            !text(client.responses().create(respond.build())).isEmpty()
                    && formed.output().stream().anyMatch(item -> item.message().isPresent()));

    EmbeddingCreateParams embed =
            EmbeddingCreateParams.builder()
                    .model(Served.MODEL)
                    .inputOfArrayOfStrings(List.of("one", "two"))
                    .dimensions(16)
                    .build();
    Served.check(
            "embeddings",
            client.embeddings().create(embed).data().stream().allMatch(each -> each.embedding().size() == 16));

    NotFoundException unknown =
            Served.error(
                    NotFoundException.class,
                    () -> client.chat().completions().create(ask("Hello", 4).model("another").build()));
    BadRequestException refused =
            Served.error(
                    BadRequestException.class,
                    () ->
                            client.chat()
                                    .completions()
                                    .create(
                                            ask("Hello", 4)
                                                    .putAdditionalBodyProperty(Served.REFUSED, JsonValue.from(3))
                                                    .build()));
    Served.check(
            "errors",
            unknown.code().equals(Optional.of("model_not_found"))
                    && refused.param().equals(Optional.of(Served.REFUSED)));
    client.close();
}
