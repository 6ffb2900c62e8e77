// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of `best_of`.
final class BestOfTest {
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static HttpResponse<String> post(String fields) throws Exception {
        return tiny.post("/v1/completions", "{\"model\":\"tiny\"," + fields + "}");
    }

    private static List<Integer> order(double... means) {
        return new BestOf(means.length, 2).of(0, choice -> means[choice]);
    }

    @Test
    void theMostLikelyChoicesComeFirst() {
        assertEquals(List.of(2, 0), order(-2, -3, -1));
        assertEquals(List.of(1, 3), order(-2, -1, -2, -1));
        assertEquals(List.of(2, 3), new BestOf(2, 2).of(1, choice -> choice));
    }

    @Test
    void theBestOfEachPromptAreReturnedAndAllAreCounted() throws Exception {
        // Choice 0 is longer and less likely for each token; 1 and 2 are equal.
        tiny.scheduler.behave(
                call -> {
                    for (int choice = 0; choice < call.request().getChoices(); choice++) {
                        int[] ids = tiny.ids(choice == 0 ? "Hello" : "there");
                        for (int id : ids) {
                            call.token(choice, id);
                        }
                        call.finishByLength(choice);
                    }
                });
        HttpResponse<String> response =
                post("\"prompt\":[\"a\",\"b\"],\"best_of\":3,\"n\":2,\"echo\":true");
        assertEquals(200, response.statusCode(), response.body());
        JsonNode choices = TestCoordinator.json(response.body()).get("choices");
        assertEquals(
                List.of(0, 1, 2, 3),
                IntStream.range(0, 4).mapToObj(i -> choices.get(i).get("index").asInt()).toList());
        assertTrue(choices.get(2).get("text").asText().startsWith("b"), choices.toString());
        assertTrue(choices.get(0).get("logprobs").isNull());
        int generated = tiny.ids("Hello").length + 2 * tiny.ids("there").length;
        assertEquals(
                2 * generated,
                TestCoordinator.json(response.body()).at("/usage/completion_tokens").asInt());
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        assertEquals(3, call.request().getChoices());
        assertTrue(call.sampling().getLogprobs(), "choices are compared by them");
        tiny.scheduler.nextCall();
    }

    @Test
    void whatIsNotPossibleIsRefused() throws Exception {
        for (String fields :
                List.of(
                        "\"best_of\":2,\"n\":3",
                        "\"best_of\":2,\"stream\":true",
                        "\"best_of\":0",
                        "\"best_of\":1000")) {
            HttpResponse<String> response = post("\"prompt\":\"a\"," + fields);
            assertEquals(400, response.statusCode(), fields);
            JsonNode error = TestCoordinator.json(response.body()).get("error");
            assertEquals("best_of", error.get("param").asText(), response.body());
        }
        assertFalse(tiny.scheduler.hasCalls());
    }
}
