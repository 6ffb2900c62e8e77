// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.TinyCheckpoint;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of `truncate_prompt_tokens`.
final class TruncationTest {
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        tiny.scheduler.behave(call -> call.finishByLength(0));
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static JsonNode complete(String fields) throws Exception {
        HttpResponse<String> response =
                tiny.post("/v1/completions", "{\"model\":\"tiny\"," + fields + "}");
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static List<Integer> prompt() throws Exception {
        return tiny.scheduler.nextCall().request().getPromptIdsList();
    }

    @Test
    void theLastTokensAreKept() throws Exception {
        JsonNode response = complete("\"prompt\":[5,6,7,8],\"truncate_prompt_tokens\":2");
        assertEquals(List.of(7, 8), prompt());
        assertEquals(2, response.at("/usage/prompt_tokens").asInt());
        complete("\"prompt\":[5,6,7,8],\"truncate_prompt_tokens\":9");
        assertEquals(List.of(5, 6, 7, 8), prompt());
    }

    @Test
    void minusOneLeavesRoomForTheOutput() throws Exception {
        int[] ids = new int[TinyCheckpoint.CONTEXT + 5];
        Arrays.setAll(ids, i -> 3 + i % 7);
        complete(
                "\"max_tokens\":12,\"truncate_prompt_tokens\":-1,\"prompt\":"
                        + Arrays.toString(ids));
        int kept = TinyCheckpoint.CONTEXT - 12;
        assertEquals(Arrays.stream(ids).skip(ids.length - kept).boxed().toList(), prompt());
    }

    @Test
    void anEchoIsTheTruncatedPrompt() throws Exception {
        int[] ids = tiny.ids("Hello there");
        int[] last = Arrays.copyOfRange(ids, ids.length - 1, ids.length);
        JsonNode response =
                complete(
                        "\"prompt\":\"Hello there\",\"truncate_prompt_tokens\":1,\"echo\":true,\"add_special_tokens\":false");
        assertEquals(tiny.model.decode(last, false), response.at("/choices/0/text").asText());
        prompt();
    }

    @Test
    void chatsAndEmbeddingsAreTruncatedToo() throws Exception {
        tiny.chat("\"truncate_prompt_tokens\":3");
        assertEquals(3, prompt().size());
        tiny.post(
                "/v1/embeddings",
                "{\"model\":\"tiny\",\"input\":[4,5,6],\"truncate_prompt_tokens\":1}");
        assertEquals(List.of(6), prompt());
    }

    @Test
    void zeroIsRefused() {
        var fields = new Fields(TestCoordinator.object().put("truncate_prompt_tokens", 0));
        ApiError error = assertThrows(ApiError.class, () -> Truncation.parse(fields));
        assertEquals("truncate_prompt_tokens", error.param());
    }
}
