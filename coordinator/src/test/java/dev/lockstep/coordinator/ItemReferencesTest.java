// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of items that a request names, or sends in another form than it got them.
final class ItemReferencesTest {
    private static TestCoordinator tiny;
    private static ResponsesClient client;

    @BeforeAll
    static void start() throws Exception {
        tiny = CallTemplates.MARKED.start();
        client = new ResponsesClient(tiny);
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static String reference(JsonNode item) {
        return "{\"type\":\"item_reference\",\"id\":\"" + item.path("id").asText() + "\"}";
    }

    private static String user(String text) {
        return "{\"role\":\"user\",\"content\":\"" + text + "\"}";
    }

    private static String refused(String input) throws Exception {
        HttpResponse<String> response =
                tiny.post(ResponsesClient.PATH, ResponsesClient.body("\"input\":[" + input + "]"));
        assertEquals(400, response.statusCode(), response.body());
        return TestCoordinator.json(response.body()).at("/error/param").asText();
    }

    @Test
    void aReferenceStandsForTheItemOfAStoredResponse() throws Exception {
        tiny.generate("<think>\nHm\n</think>\n\nYes.");
        JsonNode first = client.create("");
        tiny.nextPrompt();
        JsonNode asked = client.get(first.path("id").asText() + "/input_items").at("/data/0");
        JsonNode reasoning = first.at("/output/0");
        JsonNode text = first.at("/output/1");
        client.create(
                "\"input\":["
                        + String.join(
                                ",",
                                reference(asked),
                                reference(reasoning),
                                "{\"id\":\"" + text.path("id").asText() + "\"}",
                                user("More"))
                        + "]");
        String byReference = tiny.nextPrompt();
        client.create(
                "\"previous_response_id\":\""
                        + first.path("id").asText()
                        + "\",\"input\":["
                        + user("More")
                        + "]");
        assertEquals(tiny.nextPrompt(), byReference);
        assertTrue(byReference.contains("Hello") && byReference.contains("Yes."), byReference);
    }

    @Test
    void aReferenceStandsForAnItemOfThePreviousResponse() throws Exception {
        tiny.generate("Yes.");
        String first =
                client.create(
                                "\"input\":[{\"type\":\"message\",\"id\":\"mine\",\"role\":\"user\",\"content\":\"Once\"}]")
                        .path("id")
                        .asText();
        tiny.nextPrompt();
        JsonNode second =
                client.create(
                        "\"previous_response_id\":\""
                                + first
                                + "\",\"input\":["
                                + user("Again:")
                                + ",{\"type\":\"item_reference\",\"id\":\"mine\"}]");
        assertTrue(tiny.nextPrompt().matches("(?s).*Once.*Yes\\..*Again:.*Once.*"));
        assertEquals(
                4, client.get(second.path("id").asText() + "/input_items").path("data").size());
    }

    @Test
    void whatIsNotThereIsNamed() throws Exception {
        tiny.generate("Yes.");
        JsonNode item = client.create("").at("/output/0");
        assertEquals("input[1].id", refused(user("x") + "," + reference(item).replace("o0", "o7")));
        String missing = "{\"type\":\"item_reference\",\"id\":\"msg_" + "0".repeat(32) + "o0\"}";
        assertEquals("input[0].id", refused(missing));
        assertEquals("input[1].id", refused(reference(item) + "," + reference(item)));
        JsonNode unstored = client.create("\"store\":false").at("/output/0");
        assertEquals("input[0].id", refused(reference(unstored)));
    }

    @Test
    void anItemOfAnotherTenantIsNotThere() throws Exception {
        tiny.generate("Yes.");
        JsonNode item = client.create("").at("/output/0");
        HttpResponse<String> other =
                tiny.send(
                        HttpRequest.newBuilder(tiny.uri(ResponsesClient.PATH))
                                .header("x-lockstep-tenant", "b")
                                .POST(
                                        HttpRequest.BodyPublishers.ofString(
                                                ResponsesClient.body(
                                                        "\"input\":[" + reference(item) + "]")))
                                .build());
        assertEquals(400, other.statusCode(), other.body());
        assertEquals(
                "item_not_found", TestCoordinator.json(other.body()).at("/error/code").asText());
    }

    @Test
    void encodedReasoningIsReadAgain() throws Exception {
        tiny.generate("<think>\nHm, né\n</think>\n\nYes.");
        JsonNode first =
                client.create("\"store\":false,\"include\":[\"reasoning.encrypted_content\"]");
        tiny.nextPrompt();
        String encoded = first.at("/output/0/encrypted_content").asText();
        assertFalse(encoded.isEmpty());
        assertFalse(client.create("").at("/output/0").has("encrypted_content"));
        tiny.nextPrompt();
        // A reasoning that nothing follows is not rendered, so that a call follows it.
        String call =
                ",{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},"
                        + "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}";
        String head = "\"input\":[" + user("Hello") + ",{\"type\":\"reasoning\",\"summary\":[],";
        client.create(head + "\"encrypted_content\":\"" + encoded + "\"}" + call + "]");
        String fromEncoded = tiny.nextPrompt();
        client.create(
                head
                        + "\"content\":[{\"type\":\"reasoning_text\",\"text\":\"Hm, né\"}]}"
                        + call
                        + "]");
        assertEquals(tiny.nextPrompt(), fromEncoded);
        assertTrue(fromEncoded.contains("Hm, né"), fromEncoded);
        // What another server wrote cannot be read.
        client.create(head + "\"encrypted_content\":\"gAAAAB\"}" + call + "]");
        assertFalse(tiny.nextPrompt().contains("Hm, né"));
    }
}
