// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.ClusterSecret;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.StopReason;
import dev.lockstep.proto.v1.GenerateRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.stream.Stream;

/// A real coordinator on a free port with the tokenizer of a tiny model, one fake scheduler, and
/// the JDK's HTTP client, which requests HTTP/2 by upgrade.
public final class TestCoordinator implements AutoCloseable {
    public static final String MODEL = "tiny";
    static final int END = 2;
    static final int MAX_BODY = 64 << 10;

    /// A limit of the coordinator that no test waits for: much longer than the tests' own waits, so
    /// that it ends none of them.
    static final Duration NEVER = Eventually.TIMEOUT.multipliedBy(10);

    static final Timeouts LONG_TIMEOUTS = new Timeouts(NEVER, NEVER, NEVER, NEVER);

    /// For tests with slow clients: the coordinator soon stops waiting for them.
    static final Timeouts SHORT_TIMEOUTS =
            new Timeouts(NEVER, Duration.ofMillis(700), Duration.ofSeconds(2), NEVER);

    public static final ClusterAccess ACCESS = ClusterAccess.of(ClusterSecret.random());

    private static final ObjectMapper JSON = new ObjectMapper();

    public final FixedCluster cluster = new FixedCluster(Runnable::run, Randomness.secure());
    public final FakeScheduler scheduler;
    final ServedModel model;
    final Coordinator coordinator;
    public final HttpClient client = HttpClient.newHttpClient();

    private TestCoordinator(ServedModel model, Timeouts timeouts, String... settings)
            throws IOException {
        this(model, _ -> {}, timeouts, settings);
    }

    private TestCoordinator(
            ServedModel model,
            Consumer<FakeScheduler> preparation,
            Timeouts timeouts,
            String... settings)
            throws IOException {
        this(model, scheduler("default"), preparation, timeouts, settings);
    }

    private TestCoordinator(
            ServedModel model,
            FakeScheduler scheduler,
            Consumer<FakeScheduler> preparation,
            Timeouts timeouts,
            String... settings) {
        this.model = model;
        this.scheduler = scheduler;
        preparation.accept(scheduler);
        coordinator =
                new Coordinator(
                        config(Path.of("unused"), 0, settings),
                        ACCESS,
                        CompletableFuture.completedFuture(model),
                        timeouts);
        cluster.another(Runnable::run).register(scheduler.member());
        coordinator.join(cluster);
    }

    /// Starts another coordinator of the same scheduler; the one that is closed first ends it.
    TestCoordinator another() throws Exception {
        var started = new TestCoordinator(model, scheduler, _ -> {}, LONG_TIMEOUTS);
        started.awaitReady(true);
        return started;
    }

    /// Starts a scheduler for the same model; it is not a member of the cluster yet.
    public static FakeScheduler scheduler(String group) throws IOException {
        return new FakeScheduler(group, MODEL, TinyCheckpoint.VOCABULARY, TinyCheckpoint.CONTEXT);
    }

    static CoordinatorConfig config(Path model, int port, String... settings) {
        List<String> words = new ArrayList<>(List.of(settings));
        words.add("--zookeeper=unused:1");
        words.add("--port=" + port);
        words.add("--served-model-name=" + MODEL);
        words.add("--max-body=" + MAX_BODY);
        if (words.stream().noneMatch(word -> word.startsWith("--drain-timeout"))) {
            words.add("--drain-timeout=" + NEVER.toSeconds() + "s");
        }
        return CoordinatorConfig.of(
                Settings.parse(CoordinatorConfig.SPEC, words, Map.of()), model, MODEL);
    }

    /// Starts a coordinator with settings of its command line.
    static TestCoordinator startWith(String... settings) throws Exception {
        return startWith(LONG_TIMEOUTS, settings);
    }

    /// Starts a coordinator whose scheduler is prepared before.
    static TestCoordinator startWith(Consumer<FakeScheduler> preparation, String... settings)
            throws Exception {
        var started = new TestCoordinator(tinyModel(), preparation, LONG_TIMEOUTS, settings);
        started.awaitReady(true);
        return started;
    }

    /// As the other one, and does not wait until the coordinator is ready.
    static TestCoordinator startSoon(
            Consumer<FakeScheduler> preparation, Timeouts timeouts, String... settings)
            throws Exception {
        return new TestCoordinator(tinyModel(), preparation, timeouts, settings);
    }

    static TestCoordinator startWith(Timeouts timeouts, String... settings) throws Exception {
        var started = new TestCoordinator(tinyModel(), timeouts, settings);
        started.awaitReady(true);
        return started;
    }

    public static TestCoordinator start() throws Exception {
        return start(LONG_TIMEOUTS);
    }

    static TestCoordinator start(Timeouts timeouts) throws Exception {
        return start(tinyModel(), timeouts);
    }

    static TestCoordinator start(ServedModel model) throws Exception {
        return start(model, LONG_TIMEOUTS);
    }

    private static TestCoordinator start(ServedModel model, Timeouts timeouts) throws Exception {
        var started = new TestCoordinator(model, timeouts);
        started.awaitReady(true);
        return started;
    }

    static ServedModel tinyModel() throws IOException {
        return tinyModel(folder -> {}, TextSettings.OF_MODEL);
    }

    /// A change to the files of a model.
    interface Edit {
        void apply(Path folder) throws IOException;
    }

    /// Returns the tiny model after a change to its files.
    static ServedModel tinyModel(Edit edit, TextSettings settings) throws IOException {
        Path folder = Files.createTempDirectory("tiny");
        try {
            TinyCheckpoint.write(folder, 1);
            edit.apply(folder);
            return ServedModel.load(folder, List.of(MODEL), settings);
        } finally {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    public void awaitReady(boolean ready) throws Exception {
        Eventually.await("ready is " + ready, () -> (get("/readyz").statusCode() == 200) == ready);
    }

    /// Returns the prompt of the next request that the scheduler has received, as text.
    String nextPrompt() throws InterruptedException {
        return promptOf(scheduler.nextCall().request());
    }

    /// Returns the prompt of a request as text.
    String promptOf(GenerateRequest request) {
        return model.decode(
                request.getPromptIdsList().stream().mapToInt(Integer::intValue).toArray(), false);
    }

    /// Returns the ids of a text, without special tokens around them.
    public int[] ids(String text) {
        return model.encode("prompt", text, false);
    }

    /// Lets all requests generate a text, a token at a time, and end.
    public void generate(String text) {
        scheduler.behave(
                call -> {
                    call.oneByOne(0, ids(text));
                    call.oneByOne(0, END);
                    call.finish(0, true, END);
                });
    }

    public URI uri(String path) {
        return URI.create("http://127.0.0.1:" + coordinator.port() + path);
    }

    public HttpResponse<String> get(String path) throws Exception {
        return send(HttpRequest.newBuilder(uri(path)).build());
    }

    /// Returns the response, which is as OpenAI describes it if the path is one of its API.
    public HttpResponse<String> send(HttpRequest request) throws Exception {
        HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
        OpenAiDescription.check(request.method(), request.uri().getRawPath(), response);
        return response;
    }

    HttpRequest request(String path, String body) {
        return HttpRequest.newBuilder(uri(path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    public HttpResponse<String> post(String path, String body) throws Exception {
        return send(request(path, body));
    }

    JsonNode chat(String moreFields) throws Exception {
        HttpResponse<String> response = post("/v1/chat/completions", chatBody(moreFields));
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + " " + response.body());
        }
        return json(response.body());
    }

    /// Returns the events of a streamed chat, without `[DONE]`.
    public List<JsonNode> chatEvents(String moreFields) throws Exception {
        return events(post("/v1/chat/completions", chatBody("\"stream\":true," + moreFields)));
    }

    public static String chatBody(String moreFields) {
        String more =
                moreFields.endsWith(",")
                        ? moreFields.substring(0, moreFields.length() - 1)
                        : moreFields;
        return "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"
                + (more.isEmpty() ? "" : "," + more)
                + "}";
    }

    /// Checks the framing and returns the data of the events.
    static List<JsonNode> events(HttpResponse<String> response) {
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + " " + response.body());
        }
        return events(response.body());
    }

    static List<JsonNode> events(String body) {
        List<JsonNode> events = new ArrayList<>();
        List<String> parts = List.of(body.split("\n\n"));
        for (String whole : parts) {
            if (whole.startsWith(":")) {
                continue;
            }
            String part = whole.replaceFirst("^id: \\S+\n", "");
            if (!part.startsWith("data: ") || part.contains("\n")) {
                throw new AssertionError("not an event: " + part);
            }
            events.add(part.equals("data: [DONE]") ? JSON.nullNode() : json(part.substring(6)));
        }
        if (!body.endsWith("data: [DONE]\n\n")
                || events.stream().filter(JsonNode::isNull).count() != 1) {
            throw new AssertionError("does not end with one [DONE]: " + body);
        }
        return events.subList(0, events.size() - 1);
    }

    public static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static ObjectNode object() {
        return JSON.createObjectNode();
    }

    @Override
    public void close() {
        client.close();
        coordinator.stop(StopReason.FINISHED);
        scheduler.close();
        cluster.close();
    }
}
