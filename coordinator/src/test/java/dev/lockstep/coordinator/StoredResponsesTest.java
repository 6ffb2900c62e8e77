// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of responses that are stored: continued, retrieved, listed and deleted.
final class StoredResponsesTest {
    private static TestCoordinator tiny;
    private static ResponsesClient client;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        client = new ResponsesClient(tiny);
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    @Test
    void aResponseContinuesAnEarlierOneWithoutItsInstructions() throws Exception {
        tiny.generate("Yes.");
        String first = client.create("\"instructions\":\"Be kind.\"").path("id").asText();
        tiny.nextPrompt();
        String second =
                client.create("\"input\":\"More\",\"previous_response_id\":\"" + first + "\"")
                        .path("id")
                        .asText();
        String prompt = tiny.nextPrompt();
        assertFalse(prompt.contains("kind"), prompt);
        assertTrue(prompt.matches("(?s).*Hello.*Yes\\..*More.*"), prompt);

        // What is gone is still part of what continued it.
        assertEquals(200, client.send("DELETE", first).statusCode());
        client.create("\"input\":\"Again\",\"previous_response_id\":\"" + second + "\"");
        assertTrue(tiny.nextPrompt().matches("(?s).*Hello.*Yes\\..*More.*Yes\\..*Again.*"));
        HttpResponse<String> gone =
                tiny.post(
                        ResponsesClient.PATH,
                        ResponsesClient.body("\"previous_response_id\":\"" + first + "\""));
        assertEquals(400, gone.statusCode());
        assertEquals(
                "previous_response_not_found",
                TestCoordinator.json(gone.body()).at("/error/code").asText());
    }

    @Test
    void theItemsOfTheInputAreListedInPages() throws Exception {
        tiny.generate("Yes.");
        String id = client.create("").path("id").asText();
        String next =
                client.create("\"input\":\"More\",\"previous_response_id\":\"" + id + "\"")
                        .path("id")
                        .asText();
        JsonNode all = client.get(next + "/input_items?order=asc");
        assertEquals(3, all.path("data").size());
        assertEquals("Hello", all.at("/data/0/content/0/text").asText());
        assertEquals("Yes.", all.at("/data/1/content/0/text").asText());
        assertEquals("assistant", all.at("/data/1/role").asText());
        assertFalse(all.path("has_more").asBoolean());
        JsonNode page = client.get(next + "/input_items?limit=2");
        assertEquals("More", page.at("/data/0/content/0/text").asText());
        assertTrue(page.path("has_more").asBoolean());
        JsonNode rest = client.get(next + "/input_items?after=" + page.path("last_id").asText());
        assertEquals(all.at("/data/0"), rest.at("/data/0"));
        assertEquals(1, rest.path("data").size());
        assertEquals(
                400,
                tiny.get(ResponsesClient.PATH + "/" + next + "/input_items?limit=0").statusCode());
        assertEquals(
                400,
                tiny.get(ResponsesClient.PATH + "/" + next + "/input_items?after=x").statusCode());
    }

    @Test
    void aDeletedResponseIsGone() throws Exception {
        tiny.generate("Yes.");
        String id = client.create("").path("id").asText();
        JsonNode deleted = TestCoordinator.json(client.send("DELETE", id).body());
        assertTrue(deleted.path("deleted").asBoolean());
        assertEquals(id, deleted.path("id").asText());
        assertEquals(404, tiny.get(ResponsesClient.PATH + "/" + id).statusCode());
        assertEquals(404, client.send("DELETE", id).statusCode());
        assertEquals(404, tiny.get(ResponsesClient.PATH + "/" + id + "/input_items").statusCode());
    }

    @Test
    void aResponseThatIsNotToBeStoredIsNotStored() throws Exception {
        tiny.generate("Yes.");
        JsonNode response = client.create("\"store\":false");
        assertFalse(response.path("store").asBoolean());
        assertEquals(
                404,
                tiny.get(ResponsesClient.PATH + "/" + response.path("id").asText()).statusCode());
    }

    @Test
    void onlyTheTenantAndTheKeyOfAResponseFindIt() throws Exception {
        tiny.generate("Yes.");
        HttpResponse<String> created =
                tiny.send(
                        HttpRequest.newBuilder(tiny.uri(ResponsesClient.PATH))
                                .headers("x-lockstep-tenant", "a", "Authorization", "Bearer one")
                                .POST(HttpRequest.BodyPublishers.ofString(ResponsesClient.body("")))
                                .build());
        String id = ResponsesClient.ok(created).path("id").asText();
        String[][] others = {
            {"x-lockstep-tenant", "a"},
            {"Authorization", "Bearer one"},
            {"x-lockstep-tenant", "b", "Authorization", "Bearer one"},
            {"x-lockstep-tenant", "a", "Authorization", "Bearer two"},
        };
        for (String[] other : others) {
            assertEquals(404, client.send("GET", id, other).statusCode());
            assertEquals(404, client.send("DELETE", id, other).statusCode());
            assertEquals(404, client.send("POST", id + "/cancel", other).statusCode());
            assertEquals(404, client.send("GET", id + "/input_items", other).statusCode());
        }
        String[] own = {"x-lockstep-tenant", "a", "Authorization", "Bearer one"};
        assertEquals(200, client.send("GET", id, own).statusCode());
    }

    @ParameterizedTest
    @CsvSource({
        "PUT, x, 'GET, HEAD, DELETE, OPTIONS'",
        "GET, x/cancel, 'POST, OPTIONS'",
        "DELETE, x/input_items, 'GET, HEAD, OPTIONS'",
    })
    void otherMethodsAreRefused(String method, String path, String allowed) throws Exception {
        HttpResponse<String> response = client.send(method, path);
        assertEquals(405, response.statusCode());
        assertEquals(allowed, response.headers().firstValue("allow").orElse(""));
        assertEquals(204, client.send("OPTIONS", path).statusCode());
    }

    @ParameterizedTest
    @CsvSource({"x", "resp_00000000000000000000000000000000", "a/b", "x?stream=false"})
    void aResponseThatIsNotThereIsNotFound(String id) throws Exception {
        assertEquals(404, tiny.get(ResponsesClient.PATH + "/" + id).statusCode());
    }

    @Test
    void aDamagedFileCountsAsAbsent(@TempDir Path folder) throws Exception {
        try (TestCoordinator other =
                TestCoordinator.startWith("--responses-folder=" + folder.resolve("stored"))) {
            var stored = new ResponsesClient(other);
            other.generate("Yes.");
            String id = stored.create("").path("id").asText();
            Path file;
            try (Stream<Path> files = Files.walk(folder)) {
                file = files.filter(Files::isRegularFile).findFirst().orElseThrow();
            }
            assertEquals(id + ".json", file.getFileName().toString());
            Files.writeString(file, Files.readString(file).replace("\"output\":[", "\"output\":"));
            for (String path : List.of(id, id + "?stream=true", id + "/input_items")) {
                assertEquals(404, other.get(ResponsesClient.PATH + "/" + path).statusCode());
            }
            HttpResponse<String> next =
                    other.post(
                            ResponsesClient.PATH,
                            ResponsesClient.body("\"previous_response_id\":\"" + id + "\""));
            assertEquals(400, next.statusCode(), next.body());
            assertEquals(200, stored.send("DELETE", id).statusCode());
        }
    }
}
