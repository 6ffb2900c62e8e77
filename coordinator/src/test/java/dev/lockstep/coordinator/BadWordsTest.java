// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.TextConstraint;
import dev.lockstep.proto.v1.TokenSequence;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of `bad_words`.
final class BadWordsTest {
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    @BeforeEach
    void answer() {
        tiny.scheduler.behave(call -> call.finishByLength(0));
    }

    private static List<Integer> ids(String text) {
        return Arrays.stream(tiny.ids(text)).boxed().toList();
    }

    private static void assertBanned(GenerateRequest request, String... texts) throws Exception {
        List<List<Integer>> all = Stream.of(texts).map(BadWordsTest::ids).distinct().toList();
        assertEquals(
                all.stream().filter(ids -> ids.size() == 1).map(List::getFirst).toList(),
                SamplingParams.parseFrom(request.getSampling()).getBannedTokenIdsList());
        assertEquals(
                all.stream().filter(ids -> ids.size() > 1).toList(),
                TextConstraint.parseFrom(request.getConstraint()).getBadWordsList().stream()
                        .map(TokenSequence::getIdsList)
                        .toList());
    }

    @Test
    void aWordIsBannedAtTheBeginningAndWithinAText() throws Exception {
        tiny.chat("\"bad_words\":[\"a\",\" the\",\"Hello friend\"]");
        assertBanned(
                tiny.scheduler.nextCall().request(),
                "a",
                " a",
                "the",
                " the",
                "Hello friend",
                " Hello friend");
        tiny.chat("\"bad_words\":[]");
        assertBanned(tiny.scheduler.nextCall().request());
    }

    @Test
    void grpcHasTheSameField() throws Exception {
        try (var client = new RpcClient(tiny)) {
            client.generate(RpcClient.request().setPrompt("Hello").addBadWords("friend"));
            assertBanned(tiny.scheduler.nextCall().request(), "friend", " friend");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'bad_words':['a',' '] | bad_words[1] | 1 to 256",
                "'bad_words':[3] | bad_words[0] | must be text",
                "'bad_words':'a' | bad_words | must be an array",
                "'bad_words':['a'],'allowed_token_ids':[%d] | bad_words | every id"
            })
    void whatCannotBeBannedIsRefused(String fields, String param, String message) throws Exception {
        HttpResponse<String> response =
                tiny.post(
                        "/v1/chat/completions",
                        TestCoordinator.chatBody(
                                fields.replace('\'', '"')
                                        .replace("%d", ids("a").getFirst().toString())));
        assertEquals(400, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals(param, error.get("param").asText());
        assertTrue(error.get("message").asText().contains(message), response.body());
    }
}
