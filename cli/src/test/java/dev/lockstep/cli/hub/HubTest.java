// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.console.Terminal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Tests which files are downloaded, and where they are stored.
class HubTest {
    private static final String MODEL = TestHub.MODEL;
    private static final String WEIGHTS = TestHub.WEIGHTS;

    @TempDir Path folder;
    private TestHub hub;

    @BeforeEach
    void serve() throws IOException {
        hub = new TestHub(folder.resolve("hub"));
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    @Test
    void theFilesThatAreReadAreDownloadedIntoTheSharedCache() throws Exception {
        Path snapshot = hub.fetch(MODEL);
        assertEquals(hub.ofModel("snapshots/" + HubServer.COMMIT), snapshot);
        assertEquals(
                Set.of("config.json", "tokenizer.json", "chat_template.jinja", WEIGHTS),
                TestHub.names(snapshot));
        hub.assertWeightsAreThere(snapshot);
        assertEquals(HubServer.COMMIT, Files.readString(hub.ofModel("refs/main")));
        for (String name : TestHub.names(snapshot)) {
            String hash = HubServer.hash(name, Files.readAllBytes(snapshot.resolve(name)));
            assertEquals(
                    Path.of("../../blobs", hash),
                    Files.readSymbolicLink(snapshot.resolve(name)),
                    "a relative link to a blob named by its ETag");
            assertTrue(Files.isRegularFile(hub.ofModel("blobs/" + hash)));
        }
        assertEquals(4, TestHub.names(hub.ofModel("blobs")).size(), "no incomplete file is left");
        String text = hub.output();
        assertTrue(
                text.startsWith("acme/tiny on " + hub.server.endpoint() + ": safetensors\n"), text);
        assertTrue(text.endsWith("model acme/tiny is in " + snapshot + "\n"), text);
    }

    @Test
    void aModelInTheCacheIsNotDownloadedAgain() throws Exception {
        Path snapshot = hub.fetch(MODEL);
        hub.server.requests.clear();
        assertEquals(snapshot, hub.fetch(MODEL));
        assertEquals(
                List.of("/api/models/acme/tiny/revision/main"),
                hub.server.requests.stream().map(HubServer.Received::path).toList());
    }

    @Test
    void onlyMissingFilesAreDownloaded() throws Exception {
        Path snapshot = hub.fetch(MODEL);
        Files.delete(snapshot.resolve("tokenizer.json"));
        Files.delete(snapshot.resolve(WEIGHTS));
        Files.delete(hub.ofModel("blobs/" + HubServer.hash(WEIGHTS, hub.weights())));
        hub.server.requests.clear();
        hub.fetch(MODEL);
        assertEquals(1, hub.server.requests("GET", false).size(), "the weights");
        assertEquals(
                2, hub.server.requests("GET", true).size(), "the list, and the weights' redirect");
        hub.assertWeightsAreThere(snapshot);
        assertTrue(Files.exists(snapshot.resolve("tokenizer.json")));
    }

    @Test
    void onlyTheHubReceivesTheToken() throws Exception {
        HubConfig withToken = hub.withToken("secret");
        hub.fetch(withToken, MODEL);
        assertFalse(hub.server.requests("GET", false).isEmpty());
        for (HubServer.Received request : hub.server.requests) {
            assertEquals(
                    request.ofHub() ? Optional.of("Bearer secret") : Optional.empty(),
                    request.token(),
                    request.toString());
        }
        assertFalse(withToken.toString().contains("secret"));
    }

    @Test
    void parallelFetchesDownloadOnce() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            Future<Path> one = threads.submit(() -> hub.fetch(MODEL));
            Future<Path> other = threads.submit(() -> hub.fetch(MODEL));
            assertEquals(one.get(), other.get());
        } finally {
            threads.shutdownNow();
        }
        assertEquals(1, hub.server.requests("GET", false).size());
    }

    @Test
    void aDiskWithTooLittleSpaceIsRefusedBeforeTheDownload() throws Exception {
        Terminal quiet = hub.terminal();
        long needed =
                hub.server.files.entrySet().stream()
                        .filter(file -> !file.getKey().matches("README.md|pytorch_model.bin"))
                        .mapToLong(file -> file.getValue().length)
                        .sum();
        assertEquals(
                "acme/tiny needs %s more in %s, which has %s left: free some, or set HF_HUB_CACHE to a folder on another disk"
                        .formatted(Terminal.bytes(needed), hub.cache, Terminal.bytes(needed - 1)),
                hub.refusal(new Hub(hub.config(), quiet, any -> needed - 1), MODEL));
        assertEquals(1, hub.server.requests("GET", true).size(), "only the list of files");
        // The received part needs no more space.
        Path part = hub.incomplete();
        Files.write(part, java.util.Arrays.copyOf(hub.weights(), 1000));
        hub.assertWeightsAreThere(
                new Hub(hub.config(), quiet, any -> needed - 1000)
                        .fetch(HubName.parse(MODEL).orElseThrow()));
    }

    @Test
    void theShardsThatAnIndexNamesAreDownloaded() throws Exception {
        hub.server.files.remove(WEIGHTS);
        hub.server.put("model-1.safetensors", "one");
        hub.server.put("model-2.safetensors", "two");
        hub.server.put("consolidated.safetensors", "the same again");
        hub.server.put(
                "model.safetensors.index.json",
                "{\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\": \"model-2.safetensors\", \"c\": \"model-1.safetensors\"}}");
        Path snapshot = hub.fetch(MODEL);
        assertEquals("two", Files.readString(snapshot.resolve("model-2.safetensors")));
        assertEquals("one", Files.readString(snapshot.resolve("model-1.safetensors")));
        assertFalse(Files.exists(snapshot.resolve("consolidated.safetensors")));
        assertTrue(hub.output().contains("safetensors in 2 files"));

        Files.delete(snapshot.resolve("model-2.safetensors"));
        hub.server.requests.clear();
        hub.fetch(MODEL);
        assertTrue(Files.exists(snapshot.resolve("model-2.safetensors")), "linked again");
        hub.server.put(
                "model.safetensors.index.json",
                "{\"weight_map\": {\"a\": \"absent.safetensors\"}}");
        Files.delete(snapshot.resolve("model.safetensors.index.json"));
        String message = hub.refusal(MODEL);
        assertTrue(
                message.contains("names absent.safetensors, which is not among its files"),
                message);
    }

    @Test
    void aGgufModelResolvesToItsFile() throws Exception {
        hub.server.files.clear();
        hub.server.put("README.md", "");
        hub.server.put("tiny-Q8_0.gguf", "eight");
        hub.server.put("tiny-Q4_K_M.gguf", "four");
        Path usual = hub.fetch(MODEL);
        assertEquals("four", Files.readString(usual));
        assertEquals(
                hub.ofModel("snapshots/%s/tiny-Q4_K_M.gguf".formatted(HubServer.COMMIT)), usual);
        String text = hub.output();
        assertTrue(
                text.contains("GGUF file tiny-Q4_K_M.gguf, one of 2; acme/tiny:TYPE names another"),
                text);
        assertEquals("eight", Files.readString(hub.fetch(MODEL + ":q8_0")));
        assertEquals("eight", Files.readString(hub.fetch(MODEL + ":tiny-Q8_0.gguf")));
    }

    @Test
    void filesOfTheSameContentShareABlob() throws Exception {
        hub.server.put("generation_config.json", "{}");
        Path snapshot = hub.fetch(MODEL);
        assertEquals("{}", Files.readString(snapshot.resolve("generation_config.json")));
        assertEquals("{}", Files.readString(snapshot.resolve("config.json")));
        assertEquals(4, TestHub.names(hub.ofModel("blobs")).size());
    }

    @Test
    void aNameOutsideTheFolderIsIgnored() throws Exception {
        hub.server.put("../chat_template.jinja", "evil");
        hub.server.put("a/../../chat_template.json", "evil");
        hub.server.put("/tokenizer_config.json", "evil");
        assertEquals(4, TestHub.names(hub.fetch(MODEL)).size());
    }

    @Test
    void everyRevisionHasItsOwnReference() throws Exception {
        hub.fetch(MODEL + "@refs/pr/1");
        assertEquals(HubServer.COMMIT, Files.readString(hub.ofModel("refs/refs/pr/1")));
        assertEquals(
                "/api/models/acme/tiny/revision/refs%2Fpr%2F1",
                hub.server.requests.getFirst().path());
        assertFalse(Files.exists(hub.ofModel("refs/main")));
    }
}
