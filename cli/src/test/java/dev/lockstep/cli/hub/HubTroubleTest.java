// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.TestTimeout;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests with broken connections, faulty servers, and hubs that refuse or cannot be reached.
@Tag("sweep")
class HubTroubleTest {
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
    void aBrokenDownloadResumesAtItsByte() throws Exception {
        hub.breakConnections(2, 300_000);
        hub.assertWeightsAreThere(hub.fetch(MODEL));
        assertEquals(List.of("", "bytes=300000-", "bytes=600000-"), hub.ranges());
    }

    @Test
    void aLaterFetchResumesThePartOfAnEarlierOne() throws Exception {
        hub.breakConnections(1, 123_457);
        HubConfig once = hub.config(TestHub.timeouts(1, TestTimeout.HANG));
        String message = hub.refusal(once, MODEL);
        assertTrue(message.contains("the received part is kept, try again"), message);
        assertFalse(Files.exists(hub.ofModel("snapshots")), "no partial snapshot");
        hub.assertWeightsAreThere(hub.fetch(MODEL));
        assertEquals(List.of("", "bytes=123457-"), hub.ranges());
    }

    @Test
    void aSilentConnectionCountsAsBroken() throws Exception {
        hub.server.breakAfter = 500_000;
        hub.server.breaks.set(1);
        hub.server.hangs = true;
        HubConfig impatient = hub.config(TestHub.timeouts(3, Duration.ofSeconds(3)));
        hub.assertWeightsAreThere(hub.fetch(impatient, MODEL));
        assertEquals(List.of("", "bytes=500000-"), hub.ranges());
    }

    @Test
    void withoutRangesADownloadRestarts() throws Exception {
        hub.server.supportsRanges = false;
        hub.breakConnections(1, 300_000);
        hub.assertWeightsAreThere(hub.fetch(MODEL));
        assertEquals(List.of("", "bytes=300000-"), hub.ranges());
    }

    @Test
    void withoutHeadAGetRequestIsSent() throws Exception {
        hub.server.supportsHead = false;
        hub.assertWeightsAreThere(hub.fetch(MODEL));
    }

    @ParameterizedTest
    @ValueSource(strings = {WEIGHTS, "config.json"})
    void bytesThatDoNotMatchTheHashAreDiscarded(String name) throws Exception {
        byte[] other = hub.server.files.getOrDefault(name, new byte[0]).clone();
        other[1] ^= 1;
        hub.server.delivered.put(name, other);
        String message = hub.refusal(MODEL);
        assertTrue(message.startsWith(name + " does not match its hash "), message);
        String hash = HubServer.hash(name, hub.server.files.getOrDefault(name, other));
        assertFalse(Files.exists(hub.ofModel("blobs/" + hash)));
        assertFalse(Files.exists(hub.ofModel("blobs/" + hash + ".incomplete")));
        assertFalse(Files.exists(hub.ofModel("snapshots")));
    }

    @Test
    void aWrongPartIsDownloadedAgain() throws Exception {
        Path part = hub.incomplete();
        Files.createDirectories(part.getParent());
        Files.write(part, new byte[1000]);
        hub.assertWeightsAreThere(hub.fetch(MODEL));
        assertEquals(List.of("bytes=1000-", ""), hub.ranges());
    }

    @Test
    void aFileThatChangesDuringItsDownloadRestarts() throws Exception {
        byte[] next = hub.weights().clone();
        next[5] ^= 1;
        hub.breakConnections(1, 300_000);
        IntConsumer received = hub.server.afterBreak;
        hub.server.afterBreak =
                position -> {
                    received.accept(position);
                    hub.server.files.put(WEIGHTS, next);
                };
        Path snapshot = hub.fetch(MODEL);
        assertArrayEquals(next, Files.readAllBytes(snapshot.resolve(WEIGHTS)));
        assertEquals(
                Path.of("../../blobs", HubServer.hash(WEIGHTS, next)),
                Files.readSymbolicLink(snapshot.resolve(WEIGHTS)));
    }

    @Test
    void requestsToABusyHubAreRetriedALimitedNumberOfTimes() throws Exception {
        hub.server.busy.set(2);
        hub.assertWeightsAreThere(hub.fetch(MODEL));
        hub.server.busy.set(1000);
        String message = hub.refusal("acme/tiny@other");
        assertTrue(message.contains("127.0.0.1 answers 503"), message);
        assertTrue(message.contains("acme/tiny@other is not in " + hub.cache), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            textBlock =
                    """
                    401 | /api     | RepoNotFound     | false | acme/tiny@v1 is gated, private or absent: accept its terms at HUB/acme/tiny and put a token into HF_TOKEN or the file FILE
                    401 | /api     |                  | true  | HUB does not accept the token of HF_TOKEN for acme/tiny@v1: put a new one there, from HUB/settings/tokens
                    403 | /acme    | GatedRepo        | true  | acme/tiny@v1 is gated: ask for access at HUB/acme/tiny with the account of the token of HF_TOKEN, which must allow reading it
                    403 | /acme    | GatedRepo        | false | acme/tiny@v1 is gated: accept its terms at HUB/acme/tiny and put a token into HF_TOKEN or the file FILE
                    404 | /api     | RepoNotFound     | false | HUB has no model acme/tiny@v1; a folder, a .gguf file or a known name (smollm2-135m-instruct) may be named, too
                    404 | /api     | RevisionNotFound | false | acme/tiny has no revision v1: name a branch, a tag or a commit
                    418 | /api     |                  | false | HUB answers 418 for acme/tiny@v1
                    """)
    void aRefusalIsOneLineWithTheRemedy(
            int status, String path, String code, boolean withToken, String line) {
        hub.server.refusedPath = path;
        hub.server.refusal = status;
        hub.server.errorCode = code == null ? "" : code;
        HubConfig config = withToken ? hub.withToken("secret") : hub.config();
        assertEquals(
                line.replace("HUB", hub.server.endpoint().toString())
                        .replace("FILE", hub.tokenFile().toString()),
                hub.refusal(config, MODEL + "@v1"));
    }

    @Test
    void aCacheThatCannotBeWrittenIsNamed() throws Exception {
        Files.createFile(hub.cache);
        UncheckedIOException failure =
                assertThrows(UncheckedIOException.class, () -> hub.fetch(MODEL));
        assertEquals("cannot store acme/tiny in " + hub.cache, failure.getMessage());
    }

    @Test
    void offlineUsesTheCacheAndSendsNoRequest() throws Exception {
        HubConfig offline = hub.offline();
        assertEquals(
                "acme/tiny is not in %s, and HF_HUB_OFFLINE keeps it from being downloaded"
                        .formatted(hub.cache),
                hub.refusal(offline, MODEL));
        assertEquals(List.of(), hub.server.requests);
        Path snapshot = hub.fetch(MODEL);
        hub.server.requests.clear();
        assertEquals(snapshot, hub.fetch(offline, MODEL));
        assertEquals(snapshot, hub.fetch(offline, MODEL + "@" + HubServer.COMMIT));
        Files.delete(snapshot.resolve(WEIGHTS));
        assertTrue(hub.refusal(offline, MODEL).contains("has neither model.safetensors"));
        assertEquals(List.of(), hub.server.requests);
    }

    @Test
    void theCacheIsUsedWithAMessageWhenTheHubCannotBeReached() throws Exception {
        Path snapshot = hub.fetch(MODEL);
        HubConfig away =
                // No process listens on port 1.
                hub.config(Map.of("HF_ENDPOINT", "http://127.0.0.1:1"));
        hub.clearOutput();
        assertEquals(snapshot, hub.fetch(away, MODEL));
        assertEquals(
                "http://127.0.0.1:1 cannot be reached (no connection): acme/tiny is read from the"
                        + " cache at commit "
                        + HubServer.COMMIT
                        + " (safetensors)\n",
                hub.output());
        assertEquals(
                "http://127.0.0.1:1 cannot be reached (no connection), and acme/other is not in "
                        + hub.cache
                        + ": try again, name a model folder or .gguf file with --model, or set HF_ENDPOINT to"
                        + " another hub",
                hub.refusal(away, "acme/other"));
    }
}
