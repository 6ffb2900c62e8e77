package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class HubTest {
    private static final String MODEL = "acme/tiny";
    private static final String WEIGHTS = "model.safetensors";
    private static final HubConfig.Patience QUICK =
            new HubConfig.Patience(3, Duration.ofMillis(1), Duration.ofSeconds(20));

    @TempDir Path folder;
    private HubServer server;
    private final ByteArrayOutputStream said = new ByteArrayOutputStream();

    @BeforeEach
    void serve() throws IOException {
        server = new HubServer(MODEL);
        server.put("config.json", "{}");
        server.put("tokenizer.json", "{\"a\": 1}");
        server.put("chat_template.jinja", "{{ messages }}");
        server.put("README.md", "not read");
        server.put("pytorch_model.bin", "not read");
        byte[] weights = new byte[1 << 20];
        new Random(1).nextBytes(weights);
        server.files.put(WEIGHTS, weights);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private Path cache() {
        return folder.resolve("hub");
    }

    private Path ofModel(String path) {
        return cache().resolve("models--acme--tiny").resolve(path);
    }

    private HubConfig config() {
        return new HubConfig(server.endpoint(), Optional.empty(), false, cache(), QUICK);
    }

    private Hub hub(HubConfig config) {
        return new Hub(
                config, new Terminal(new PrintStream(said, true, StandardCharsets.UTF_8), false));
    }

    private Path fetch(String name) throws InterruptedException {
        return hub(config()).fetch(HubName.parse(name).orElseThrow());
    }

    private String refusal(Hub hub, String name) {
        return assertThrows(
                                UnusableException.class,
                                () -> hub.fetch(HubName.parse(name).orElseThrow()))
                        .getMessage()
                + "";
    }

    private String refusal(String name) {
        return refusal(hub(config()), name);
    }

    private byte[] weights() {
        return server.files.getOrDefault(WEIGHTS, new byte[0]);
    }

    private void assertWeightsAreThere(Path snapshot) throws IOException {
        assertArrayEquals(weights(), Files.readAllBytes(snapshot.resolve(WEIGHTS)));
    }

    private static Set<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
        }
    }

    private List<String> ranges() {
        return server.asked("GET", false).stream().map(HubServer.Asked::range).toList();
    }

    @Test
    void whatIsReadIsDownloadedIntoTheSharedCache() throws Exception {
        Path snapshot = fetch(MODEL);
        assertEquals(ofModel("snapshots/" + HubServer.COMMIT), snapshot);
        assertEquals(
                Set.of("config.json", "tokenizer.json", "chat_template.jinja", WEIGHTS),
                names(snapshot));
        assertWeightsAreThere(snapshot);
        assertEquals(HubServer.COMMIT, Files.readString(ofModel("refs/main")));
        for (String name : names(snapshot)) {
            String hash = HubServer.hash(name, Files.readAllBytes(snapshot.resolve(name)));
            assertEquals(
                    Path.of("../../blobs", hash),
                    Files.readSymbolicLink(snapshot.resolve(name)),
                    "a relative link to a blob named by its ETag");
            assertTrue(Files.isRegularFile(ofModel("blobs/" + hash)));
        }
        assertEquals(4, names(ofModel("blobs")).size(), "nothing unfinished is left");
        String text = said.toString(StandardCharsets.UTF_8);
        assertTrue(text.startsWith("acme/tiny on " + server.endpoint() + ": safetensors\n"), text);
        assertTrue(text.endsWith("model acme/tiny is in " + snapshot + "\n"), text);
    }

    @Test
    void aModelThatIsThereIsNotDownloadedAgain() throws Exception {
        Path snapshot = fetch(MODEL);
        server.asked.clear();
        assertEquals(snapshot, fetch(MODEL));
        assertEquals(
                List.of("/api/models/acme/tiny/revision/main"),
                server.asked.stream().map(HubServer.Asked::path).toList());
    }

    @Test
    void onlyWhatIsMissingIsDownloaded() throws Exception {
        Path snapshot = fetch(MODEL);
        Files.delete(snapshot.resolve("tokenizer.json"));
        Files.delete(snapshot.resolve(WEIGHTS));
        Files.delete(ofModel("blobs/" + HubServer.hash(WEIGHTS, weights())));
        server.asked.clear();
        fetch(MODEL);
        assertEquals(1, server.asked("GET", false).size(), "the weights");
        assertEquals(2, server.asked("GET", true).size(), "the list, and the weights' redirect");
        assertWeightsAreThere(snapshot);
        assertTrue(Files.exists(snapshot.resolve("tokenizer.json")));
    }

    @Test
    void theTokenGoesToTheHubAndToNoOtherHost() throws Exception {
        HubConfig withToken =
                new HubConfig(server.endpoint(), Optional.of("secret"), false, cache(), QUICK);
        hub(withToken).fetch(HubName.parse(MODEL).orElseThrow());
        assertFalse(server.asked("GET", false).isEmpty());
        for (HubServer.Asked asked : server.asked) {
            assertEquals(
                    asked.ofHub() ? Optional.of("Bearer secret") : Optional.empty(),
                    asked.token(),
                    asked.toString());
        }
        assertFalse(withToken.toString().contains("secret"));
    }

    @Test
    void aBrokenConnectionGoesOnAtItsByte() throws Exception {
        server.breakAfter = 300_000;
        server.breaks.set(2);
        assertWeightsAreThere(fetch(MODEL));
        assertEquals(List.of("", "bytes=300000-", "bytes=600000-"), ranges());
    }

    @Test
    void whatOneProcessReceivedTheNextDoesNotAskFor() throws Exception {
        server.breakAfter = 123_457;
        server.breaks.set(1);
        HubConfig once =
                new HubConfig(
                        server.endpoint(),
                        Optional.empty(),
                        false,
                        cache(),
                        new HubConfig.Patience(1, Duration.ofMillis(1), Duration.ofSeconds(20)));
        String message = refusal(hub(once), MODEL);
        assertTrue(message.contains("what has come is kept, try again"), message);
        assertFalse(Files.exists(ofModel("snapshots")), "no half of a snapshot");
        assertWeightsAreThere(fetch(MODEL));
        assertEquals(List.of("", "bytes=123457-"), ranges());
    }

    @Test
    void aConnectionThatFallsSilentCountsAsBroken() throws Exception {
        server.breakAfter = 500_000;
        server.breaks.set(1);
        server.hangsInsteadOfBreaking = true;
        HubConfig impatient =
                new HubConfig(
                        server.endpoint(),
                        Optional.empty(),
                        false,
                        cache(),
                        new HubConfig.Patience(3, Duration.ofMillis(1), Duration.ofMillis(400)));
        assertWeightsAreThere(hub(impatient).fetch(HubName.parse(MODEL).orElseThrow()));
        assertEquals(List.of("", "bytes=500000-"), ranges());
    }

    @Test
    void aServerWithoutRangesBeginsAgain() throws Exception {
        server.knowsRanges = false;
        server.breakAfter = 300_000;
        server.breaks.set(1);
        assertWeightsAreThere(fetch(MODEL));
        assertEquals(List.of("", "bytes=300000-"), ranges());
    }

    @Test
    void aServerWithoutHeadIsAskedOtherwise() throws Exception {
        server.knowsHead = false;
        assertWeightsAreThere(fetch(MODEL));
    }

    @ParameterizedTest
    @ValueSource(strings = {WEIGHTS, "config.json"})
    void otherBytesThanTheHashSaysAreNotKept(String name) throws Exception {
        byte[] other = server.files.getOrDefault(name, new byte[0]).clone();
        other[1] ^= 1;
        server.delivered.put(name, other);
        String message = refusal(MODEL);
        assertTrue(message.startsWith(name + " came with other content than its hash "), message);
        String hash = HubServer.hash(name, server.files.getOrDefault(name, other));
        assertFalse(Files.exists(ofModel("blobs/" + hash)));
        assertFalse(Files.exists(ofModel("blobs/" + hash + ".incomplete")));
        assertFalse(Files.exists(ofModel("snapshots")));
    }

    @Test
    void aBeginningThatWasWrongIsReceivedAgain() throws Exception {
        Path part = ofModel("blobs/" + HubServer.hash(WEIGHTS, weights()) + ".incomplete");
        Files.createDirectories(part.getParent());
        Files.write(part, new byte[1000]);
        assertWeightsAreThere(fetch(MODEL));
        assertEquals(List.of("bytes=1000-", ""), ranges());
    }

    @Test
    void aFileThatChangesDuringItsDownloadBeginsAgain() throws Exception {
        byte[] next = weights().clone();
        next[5] ^= 1;
        server.breakAfter = 300_000;
        server.breaks.set(1);
        server.afterBreak = () -> server.files.put(WEIGHTS, next);
        Path snapshot = fetch(MODEL);
        assertArrayEquals(next, Files.readAllBytes(snapshot.resolve(WEIGHTS)));
        assertEquals(
                Path.of("../../blobs", HubServer.hash(WEIGHTS, next)),
                Files.readSymbolicLink(snapshot.resolve(WEIGHTS)));
    }

    @Test
    void aBusyHubIsAskedAgainAndNotForEver() throws Exception {
        server.busy.set(2);
        assertWeightsAreThere(fetch(MODEL));
        server.busy.set(1000);
        String message = refusal("acme/tiny@other");
        assertTrue(message.contains("127.0.0.1 answers 503"), message);
        assertTrue(message.contains("acme/tiny@other is not in " + cache()), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            textBlock =
                    """
                    401 | /api     | RepoNotFound     | false | acme/tiny@v1 is gated or private, or there is none: accept its terms at HUB/acme/tiny and set HF_TOKEN
                    401 | /api     |                  | true  | HUB does not accept HF_TOKEN for acme/tiny@v1: make a new one at HUB/settings/tokens
                    403 | /acme    | GatedRepo        | true  | acme/tiny@v1 is gated: ask for access at HUB/acme/tiny with the account of HF_TOKEN, whose token must allow reading it
                    403 | /acme    | GatedRepo        | false | acme/tiny@v1 is gated: accept its terms at HUB/acme/tiny and set HF_TOKEN
                    404 | /api     | RepoNotFound     | false | HUB has no model acme/tiny@v1; a folder, a .gguf file or a known name (smollm2-135m-instruct) may be named, too
                    404 | /api     | RevisionNotFound | false | acme/tiny has no revision v1: name a branch, a tag or a commit
                    418 | /api     |                  | false | HUB answers 418 for acme/tiny@v1
                    """)
    void aRefusalIsOneLineWithTheRemedy(
            int status, String path, String code, boolean withToken, String line) {
        server.refusedPath = path;
        server.refusal = status;
        server.errorCode = code == null ? "" : code;
        HubConfig config =
                new HubConfig(
                        server.endpoint(),
                        withToken ? Optional.of("secret") : Optional.empty(),
                        false,
                        cache(),
                        QUICK);
        assertEquals(
                line.replace("HUB", server.endpoint().toString()),
                refusal(hub(config), MODEL + "@v1"));
    }

    @Test
    void offlineTakesWhatIsThereAndAsksNobody() throws Exception {
        HubConfig offline =
                new HubConfig(server.endpoint(), Optional.empty(), true, cache(), QUICK);
        assertEquals(
                "acme/tiny is not in %s, and HF_HUB_OFFLINE keeps it from being downloaded"
                        .formatted(cache()),
                refusal(hub(offline), MODEL));
        assertEquals(List.of(), server.asked);
        Path snapshot = fetch(MODEL);
        server.asked.clear();
        assertEquals(snapshot, hub(offline).fetch(HubName.parse(MODEL).orElseThrow()));
        assertEquals(
                snapshot,
                hub(offline).fetch(HubName.parse(MODEL + "@" + HubServer.COMMIT).orElseThrow()));
        Files.delete(snapshot.resolve(WEIGHTS));
        assertTrue(refusal(hub(offline), MODEL).contains("has neither model.safetensors"));
        assertEquals(List.of(), server.asked);
    }

    @Test
    void whenTheHubIsAwayTheCacheServesAndThatIsSaid() throws Exception {
        Path snapshot = fetch(MODEL);
        HubConfig away =
                new HubConfig(
                        // Nobody listens on port 1.
                        URI.create("http://127.0.0.1:1"), Optional.empty(), false, cache(), QUICK);
        said.reset();
        assertEquals(snapshot, hub(away).fetch(HubName.parse(MODEL).orElseThrow()));
        assertEquals(
                "http://127.0.0.1:1 cannot be reached (no connection): acme/tiny is taken from the"
                        + " cache as it was at commit "
                        + HubServer.COMMIT
                        + " (safetensors)\n",
                said.toString(StandardCharsets.UTF_8));
        assertEquals(
                "http://127.0.0.1:1 cannot be reached (no connection), and acme/other is not in "
                        + cache()
                        + ": name a model folder or .gguf file with --model, or set HF_ENDPOINT to"
                        + " another hub",
                refusal(hub(away), "acme/other"));
    }

    @Test
    void twoAtOnceDownloadOnce() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            Future<Path> one = threads.submit(() -> fetch(MODEL));
            Future<Path> other = threads.submit(() -> fetch(MODEL));
            assertEquals(one.get(30, TimeUnit.SECONDS), other.get(30, TimeUnit.SECONDS));
        } finally {
            threads.shutdownNow();
        }
        assertEquals(1, server.asked("GET", false).size());
    }

    @Test
    void aDiskWithTooLittleSpaceIsRefusedBeforeTheDownload() throws Exception {
        Terminal quiet = new Terminal(new PrintStream(said), false);
        long needed =
                server.files.entrySet().stream()
                        .filter(file -> !file.getKey().matches("README.md|pytorch_model.bin"))
                        .mapToLong(file -> file.getValue().length)
                        .sum();
        assertEquals(
                "acme/tiny takes %s more in %s, which has %s left: free some, or set HF_HUB_CACHE to a folder on another disk"
                        .formatted(Terminal.bytes(needed), cache(), Terminal.bytes(needed - 1)),
                refusal(new Hub(config(), quiet, any -> needed - 1), MODEL));
        assertEquals(1, server.asked("GET", true).size(), "only the list of files");
        // What has come already needs no more space.
        Path part = ofModel("blobs/" + HubServer.hash(WEIGHTS, weights()) + ".incomplete");
        Files.write(part, java.util.Arrays.copyOf(weights(), 1000));
        assertWeightsAreThere(
                new Hub(config(), quiet, any -> needed - 1000)
                        .fetch(HubName.parse(MODEL).orElseThrow()));
    }

    @Test
    void aShardedModelBringsTheShardsItsIndexNames() throws Exception {
        server.files.remove(WEIGHTS);
        server.put("model-1.safetensors", "one");
        server.put("model-2.safetensors", "two");
        server.put("consolidated.safetensors", "the same again");
        server.put(
                "model.safetensors.index.json",
                "{\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\": \"model-2.safetensors\", \"c\": \"model-1.safetensors\"}}");
        Path snapshot = fetch(MODEL);
        assertEquals("two", Files.readString(snapshot.resolve("model-2.safetensors")));
        assertEquals("one", Files.readString(snapshot.resolve("model-1.safetensors")));
        assertFalse(Files.exists(snapshot.resolve("consolidated.safetensors")));
        assertTrue(said.toString(StandardCharsets.UTF_8).contains("safetensors in 2 files"));

        Files.delete(snapshot.resolve("model-2.safetensors"));
        server.asked.clear();
        fetch(MODEL);
        assertTrue(Files.exists(snapshot.resolve("model-2.safetensors")), "linked again");
        server.put(
                "model.safetensors.index.json",
                "{\"weight_map\": {\"a\": \"absent.safetensors\"}}");
        Files.delete(snapshot.resolve("model.safetensors.index.json"));
        String message = refusal(MODEL);
        assertTrue(
                message.contains("names absent.safetensors, which is not among its files"),
                message);
    }

    @Test
    void aGgufFileIsOpenedByItself() throws Exception {
        server.files.clear();
        server.put("README.md", "");
        server.put("tiny-Q8_0.gguf", "eight");
        server.put("tiny-Q4_K_M.gguf", "four");
        Path usual = fetch(MODEL);
        assertEquals("four", Files.readString(usual));
        assertEquals(ofModel("snapshots/%s/tiny-Q4_K_M.gguf".formatted(HubServer.COMMIT)), usual);
        String text = said.toString(StandardCharsets.UTF_8);
        assertTrue(
                text.contains("GGUF file tiny-Q4_K_M.gguf, one of 2; acme/tiny:TYPE names another"),
                text);
        assertEquals("eight", Files.readString(fetch(MODEL + ":q8_0")));
        assertEquals("eight", Files.readString(fetch(MODEL + ":tiny-Q8_0.gguf")));
    }

    @Test
    void twoNamesOfTheSameContentAreOneBlob() throws Exception {
        server.put("generation_config.json", "{}");
        Path snapshot = fetch(MODEL);
        assertEquals("{}", Files.readString(snapshot.resolve("generation_config.json")));
        assertEquals("{}", Files.readString(snapshot.resolve("config.json")));
        assertEquals(4, names(ofModel("blobs")).size());
    }

    @Test
    void aNameThatLeavesTheFolderIsPassedOver() throws Exception {
        server.put("../chat_template.jinja", "evil");
        server.put("a/../../chat_template.json", "evil");
        server.put("/tokenizer_config.json", "evil");
        assertEquals(4, names(fetch(MODEL)).size());
    }

    @Test
    void anotherRevisionHasAnotherReference() throws Exception {
        fetch(MODEL + "@refs/pr/1");
        assertEquals(HubServer.COMMIT, Files.readString(ofModel("refs/refs/pr/1")));
        assertEquals(
                "/api/models/acme/tiny/revision/refs%2Fpr%2F1", server.asked.getFirst().path());
        assertFalse(Files.exists(ofModel("refs/main")));
    }
}
