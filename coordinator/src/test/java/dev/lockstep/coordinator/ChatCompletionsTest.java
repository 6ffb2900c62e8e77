package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GenerateRequest;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// `POST /v1/chat/completions` when all goes well.
final class ChatCompletionsTest {
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static void says(String text) {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids(text));
                    call.tokens(0, TestCoordinator.END);
                    call.finish(0, true, TestCoordinator.END);
                });
    }

    @Test
    void theFirstPostOfTheJdksClientUpgradesToHttp2AndIsAnswered() throws Exception {
        says("Hello there.");
        try (HttpClient fresh = HttpClient.newHttpClient()) {
            var response =
                    fresh.send(
                            tiny.request("/v1/chat/completions", TestCoordinator.chatBody("")),
                            HttpResponse.BodyHandlers.ofString());
            assertEquals(200, response.statusCode(), response.body());
            assertEquals(HttpClient.Version.HTTP_2, response.version());
            JsonNode choice = TestCoordinator.json(response.body()).at("/choices/0");
            assertEquals("Hello there.", choice.at("/message/content").asText());
        }
    }

    @Test
    void anAnswerHasTheShapeClientsExpect() throws Exception {
        says("Hello there.");
        JsonNode answer = tiny.chat("");
        int count = tiny.ids("Hello there.").length + 1;
        assertTrue(answer.get("id").asText().startsWith("chatcmpl-"));
        assertEquals("chat.completion", answer.get("object").asText());
        assertEquals("tiny", answer.get("model").asText());
        JsonNode choice = answer.at("/choices/0");
        assertEquals("assistant", choice.at("/message/role").asText());
        assertEquals("stop", choice.get("finish_reason").asText());
        assertTrue(choice.get("stop_reason").isNull());
        assertTrue(choice.get("logprobs").isNull());
        assertTrue(choice.path("token_ids").isMissingNode());
        assertEquals(count, answer.at("/usage/completion_tokens").asInt());
        assertEquals(3, answer.at("/usage/prompt_tokens_details/cached_tokens").asInt());
        GenerateRequest request = tiny.scheduler.nextCall().request();
        assertEquals(request.getPromptIdsCount(), answer.at("/usage/prompt_tokens").asInt());
        assertEquals(request.getPromptIdsCount() + count, answer.at("/usage/total_tokens").asInt());
    }

    @Test
    void aStreamBeginsWithTheRoleAndEndsWithTheReasonAndTheUsage() throws Exception {
        says("Hello there.");
        List<JsonNode> events = tiny.chatEvents("\"stream_options\":{\"include_usage\":true}");
        assertEquals("assistant", events.getFirst().at("/choices/0/delta/role").asText());
        assertEquals("", events.getFirst().at("/choices/0/delta/content").asText());
        StringBuilder text = new StringBuilder();
        for (JsonNode event : events) {
            assertEquals(events.getFirst().get("id"), event.get("id"));
            assertEquals("chat.completion.chunk", event.get("object").asText());
            text.append(event.at("/choices/0/delta/content").asText());
        }
        assertEquals("Hello there.", text.toString());
        JsonNode last = events.get(events.size() - 2);
        assertEquals("stop", last.at("/choices/0/finish_reason").asText());
        assertEquals(0, last.at("/choices/0/delta").size());
        assertEquals(0, events.getLast().get("choices").size());
        assertEquals(
                tiny.ids("Hello there.").length + 1,
                events.getLast().at("/usage/completion_tokens").asInt());
    }
}
