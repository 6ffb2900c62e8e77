// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/// Responses in a folder outlive the processes that made them.
@ExtendWith(LogsOnFailure.class)
final class StoredResponsesIT {
    private static final String RESPONSES = "/v1/responses";
    private static final int KEPT = 4;

    @TempDir private Path folder;

    private ServedCluster serve() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        return ServedCluster.start(
                sandbox,
                Models.tiny(sandbox, 2),
                "--responses-folder=" + folder.resolve("stored"),
                "--responses-count=" + KEPT);
    }

    private static ObjectNode request(String input) {
        return JsonNodes.object()
                .put("model", ServedCluster.MODEL)
                .put("input", input)
                .put("temperature", 0)
                .put("max_output_tokens", 4);
    }

    private static List<JsonNode> events(Api api, String id) {
        List<JsonNode> events = new ArrayList<>();
        try (EventReader reader = api.replay(RESPONSES + "/" + id + "?stream=true", RESPONSES)) {
            for (Optional<JsonNode> next = reader.next(); next.isPresent(); next = reader.next()) {
                events.add(next.get());
            }
        }
        return events;
    }

    private Path file(String id) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.endsWith(id + ".json")).findFirst().orElseThrow();
        }
    }

    @Test
    void aStoredResponseIsThereAfterARestart() throws Exception {
        List<String> ids = new ArrayList<>();
        JsonNode last;
        List<JsonNode> events;
        try (ServedCluster cluster = serve()) {
            for (int i = 0; i < KEPT + 1; i++) {
                ids.add(
                        cluster.api()
                                .post(RESPONSES, request("Number " + i))
                                .ok()
                                .path("id")
                                .asText());
            }
            assertEquals(404, cluster.api().get(RESPONSES + "/" + ids.getFirst()).status());
            last = cluster.api().get(RESPONSES + "/" + ids.getLast()).ok();
            events = events(cluster.api(), ids.getLast());
            cluster.launcher().signal("TERM");
            assertEquals(ExitCode.OK, cluster.launcher().awaitExit());
        }
        Path broken = file(ids.get(1));
        String text = Files.readString(broken);
        Files.writeString(broken, text.substring(0, text.length() / 2));

        try (ServedCluster cluster = serve()) {
            Api api = cluster.api();
            assertEquals(last, api.get(RESPONSES + "/" + ids.getLast()).ok());
            assertEquals(events, events(api, ids.getLast()));
            assertEquals(404, api.get(RESPONSES + "/" + ids.get(1)).status());
            assertTrue(
                    cluster.sandbox().logs().contains(ids.get(1) + ".json is not a whole"),
                    "the log tells of the broken file");
            String next =
                    api.post(RESPONSES, request("More").put("previous_response_id", ids.getLast()))
                            .ok()
                            .path("id")
                            .asText();
            assertEquals(
                    3, api.get(RESPONSES + "/" + next + "/input_items").ok().path("data").size());
            // The whole ones of before count, so that the next but one takes the place of the
            // oldest.
            assertEquals(200, api.get(RESPONSES + "/" + ids.get(2)).status());
            api.post(RESPONSES, request("One more")).ok();
            assertEquals(404, api.get(RESPONSES + "/" + ids.get(2)).status());
        }
    }
}
