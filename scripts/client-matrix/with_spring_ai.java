// SPDX-License-Identifier: Apache-2.0

import com.openai.errors.BadRequestException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.Message;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.document.MetadataMode;
import org.springframework.ai.openai.OpenAiChatModel;
import org.springframework.ai.openai.OpenAiChatOptions;
import org.springframework.ai.openai.OpenAiEmbeddingModel;
import org.springframework.ai.openai.OpenAiEmbeddingOptions;
import org.springframework.ai.tool.annotation.Tool;

record City(Served.Colour colour, boolean capital) {}

static final List<Served.Place> asked = new ArrayList<>();

static class Forecast {
    @Tool(description = "The weather of a city.")
    public String weather(Served.Place city) {
        asked.add(city);
        return "Cold in " + city;
    }
}

OpenAiChatOptions.Builder options(int tokens) {
    return (OpenAiChatOptions.Builder)
            OpenAiChatOptions.builder()
                    .baseUrl(Served.URL)
                    .apiKey(Served.KEY)
                    .model(Served.MODEL)
                    .maxRetries(0)
                    .maxTokens(tokens)
                    .temperature(0.0);
}

ChatClient client(OpenAiChatOptions.Builder options) {
    return ChatClient.create(OpenAiChatModel.builder().options(options.build()).build());
}

/// A question, the call that answers it, and what comes of it: the model does what it did before.
List<Message> turn(String city) {
    var call = new AssistantMessage.ToolCall("call_" + city, "function", "weather", "{\"city\":\"%s\"}".formatted(city));
    var result = new ToolResponseMessage.ToolResponse(call.id(), "weather", "Cold in " + city);
    return List.of(
            new UserMessage("How is the weather in " + city + "?"),
            AssistantMessage.builder().content("").toolCalls(List.of(call)).build(),
            ToolResponseMessage.builder().responses(List.of(result)).build(),
            new AssistantMessage("It is cold in " + city + "."));
}

void main() {
    ChatClient brief = client(options(12));
    String answer = brief.prompt(Served.QUESTION).call().content();
    Served.check("chat", !answer.isEmpty());
    Served.check(
            "stream",
            String.join("", brief.prompt(Served.QUESTION).stream().content().collectList().block()).equals(answer));

    ChatClient longer = client(options(60));
    List<Message> history = new ArrayList<>();
    List.of("Rome", "Oslo", "Rome").forEach(city -> history.addAll(turn(city)));
    String told =
            longer.prompt().messages(history).user(Served.WEATHER_QUESTION).tools(new Forecast()).call().content();
    List<String> pieces =
            longer.prompt()
                    .messages(history)
                    .user(Served.WEATHER_QUESTION)
                    .tools(new Forecast())
                    .stream()
                    .content()
                    .collectList()
                    .block();
    Served.check(
            "tools",
            asked.equals(List.of(Served.Place.Oslo, Served.Place.Oslo)) && String.join("", pieces).equals(told));

    City city =
            longer.prompt("Describe Paris as JSON.")
                    .call()
                    .entity(City.class, how -> how.useProviderStructuredOutput());
    Served.check("structured output", city.colour() != null);

    OpenAiChatOptions.Builder thinks = options(8);
    thinks.extraBody(Map.of("chat_template_kwargs", Map.of("enable_thinking", true)));
    AssistantMessage thought = client(thinks).prompt(Served.QUESTION).call().chatResponse().getResult().getOutput();
    Served.check("reasoning", !thought.getMetadata().get("reasoningContent").toString().isBlank());

    OpenAiEmbeddingOptions.Builder embed = OpenAiEmbeddingOptions.builder().dimensions(16);
    embed.baseUrl(Served.URL).apiKey(Served.KEY).model(Served.MODEL);
    var embeddings = new OpenAiEmbeddingModel(MetadataMode.NONE, embed.build());
    Served.check("embeddings", embeddings.embed("one").length == 16);

    OpenAiChatOptions.Builder refusing = options(4);
    refusing.extraBody(Map.of(Served.REFUSED, 3));
    BadRequestException refused =
            Served.error(
                    BadRequestException.class, () -> client(refusing).prompt(Served.QUESTION).call().content());
    Served.check("errors", refused.param().orElse("").equals(Served.REFUSED));
    System.exit(0);
}
