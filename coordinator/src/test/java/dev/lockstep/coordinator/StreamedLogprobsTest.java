// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests that a stream has the log-probabilities of the answer without a stream.
final class StreamedLogprobsTest {
    private static final String CALL =
            "<think>\nHm\n</think>\n\nA.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {}}\n</tool_call>";
    private static TestCoordinator server;

    @BeforeAll
    static void start() throws Exception {
        server = CallTemplates.MARKED.start();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static String post(String path, String fields) throws Exception {
        HttpResponse<String> response =
                server.post(
                        path,
                        ("{'model':'tiny','top_logprobs':2," + fields + "}").replace('\'', '"'));
        assertEquals(200, response.statusCode(), response.body());
        return response.body();
    }

    /// Joins the values at a place of all events.
    private static ArrayNode joined(String stream, String place) {
        ArrayNode joined = Json.array();
        stream.lines()
                .filter(line -> line.startsWith("data: {"))
                .map(line -> TestCoordinator.json(line.substring("data: ".length())).at(place))
                .filter(JsonNode::isArray)
                .forEach(values -> values.forEach(joined::add));
        return joined;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/v1/chat/completions | 'logprobs':true,'messages':[{'role':'user','content':'Hi'}] | content",
                "/v1/chat/completions | 'logprobs':true,'messages':[{'role':'user','content':'Hi'}],"
                        + "'tools':[{'type':'function','function':{'name':'weather'}}] | content",
                "/v1/completions | 'logprobs':2,'prompt':'Hi','max_tokens':500 | tokens",
                "/v1/completions | 'logprobs':2,'prompt':'Hi','max_tokens':500 | token_logprobs",
                "/v1/completions | 'logprobs':2,'prompt':'Hi','max_tokens':500 | top_logprobs",
                "/v1/completions | 'logprobs':2,'prompt':'Hi','max_tokens':500 | text_offset",
            })
    void aStreamHasThoseOfTheWholeAnswer(String path, String fields, String array)
            throws Exception {
        server.generate(CALL);
        String place = "/choices/0/logprobs/" + array;
        JsonNode whole = TestCoordinator.json(post(path, fields)).at(place);
        assertEquals(server.ids(CALL).length + 1, whole.size());
        assertEquals(whole, joined(post(path, fields + ",'stream':true"), place));
    }

    @ParameterizedTest
    @CsvSource({"'Hello there.'", "'<think>\nHm\n</think>\n\nA.'"})
    void soDoesAResponse(String answer) throws Exception {
        server.generate(answer);
        String fields = "'input':'Hi','include':['message.output_text.logprobs']";
        ArrayNode whole = Json.array();
        for (JsonNode item : TestCoordinator.json(post("/v1/responses", fields)).path("output")) {
            item.at("/content/0/logprobs").forEach(whole::add);
        }
        var tokens = new StringBuilder();
        whole.forEach(entry -> tokens.append(entry.path("token").asText()));
        assertTrue(tokens.toString().contains(answer.substring(answer.length() - 2)));
        // Those of the reasoning and its markers are not the text's.
        assertFalse(tokens.toString().contains("think"), tokens.toString());
        // Events have no bytes.
        whole.forEach(
                entry -> {
                    ((ObjectNode) entry).remove("bytes");
                    entry.path("top_logprobs").forEach(top -> ((ObjectNode) top).remove("bytes"));
                });
        ArrayNode streamed = Json.array();
        post("/v1/responses", fields + ",'stream':true")
                .lines()
                .filter(line -> line.startsWith("data: {"))
                .map(line -> TestCoordinator.json(line.substring("data: ".length())))
                .filter(event -> event.path("type").asText().equals("response.output_text.delta"))
                .forEach(event -> event.path("logprobs").forEach(streamed::add));
        assertEquals(whole, streamed);
    }
}
