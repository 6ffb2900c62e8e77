// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cli.TestTimeout;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// A hub with a small model, and a cache to download it into.
final class TestHub implements AutoCloseable {
    static final String MODEL = "acme/tiny";
    static final String WEIGHTS = "model.safetensors";
    static final Duration LONGEST_WAIT = Duration.ofMinutes(1);
    static final HubConfig.Timeouts QUICK = timeouts(3, TestTimeout.HANG);

    final HubServer server;
    final Path cache;
    private final ByteArrayOutputStream output = new ByteArrayOutputStream();

    TestHub(Path cache) throws IOException {
        this.cache = cache;
        this.server = new HubServer(MODEL);
        server.put("config.json", "{}");
        server.put("tokenizer.json", "{\"a\": 1}");
        server.put("chat_template.jinja", "{{ messages }}");
        server.put("README.md", "not read");
        server.put("pytorch_model.bin", "not read");
        byte[] weights = new byte[1 << 20];
        new Random(1).nextBytes(weights);
        server.files.put(WEIGHTS, weights);
    }

    static HubConfig.Timeouts timeouts(int attempts, Duration silence) {
        return new HubConfig.Timeouts(attempts, Duration.ofMillis(1), LONGEST_WAIT, silence);
    }

    /// Breaks connections after their bytes are in the cache: the HTTP client discards bytes that
    /// are not yet read when a connection breaks.
    void breakConnections(int times, int afterBytes) {
        Path incomplete = incomplete();
        server.breakAfter = afterBytes;
        server.breaks.set(times);
        server.afterBreak = position -> awaitSize(incomplete, position);
    }

    private static void awaitSize(Path file, long bytes) {
        long end = System.nanoTime() + TestTimeout.HANG.toNanos();
        try {
            while ((!Files.exists(file) || Files.size(file) < bytes) && System.nanoTime() < end) {
                Thread.sleep(2);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            // The server is being closed.
            Thread.currentThread().interrupt();
        }
    }

    /// Returns a path within the model's folder of the cache.
    Path ofModel(String path) {
        return cache.resolve("models--acme--tiny").resolve(path);
    }

    Path incomplete() {
        return ofModel("blobs/" + HubServer.hash(WEIGHTS, weights()) + ".incomplete");
    }

    HubConfig config() {
        return config(Map.of());
    }

    HubConfig config(HubConfig.Timeouts timeouts) {
        return HubConfig.of(environment(Map.of()), timeouts);
    }

    /// Returns a configuration.
    ///
    /// @param more additional environment variables
    HubConfig config(Map<String, String> more) {
        return HubConfig.of(environment(more), QUICK);
    }

    Map<String, String> environment(Map<String, String> more) {
        Map<String, String> environment = new HashMap<>();
        environment.put("HF_ENDPOINT", server.endpoint().toString());
        environment.put("HF_HOME", cache.resolveSibling("home").toString());
        environment.put("HF_HUB_CACHE", cache.toString());
        environment.putAll(more);
        return environment;
    }

    /// Returns the path of the token file.
    Path tokenFile() {
        return cache.resolveSibling("home").resolve("token");
    }

    HubConfig withToken(String token) {
        return config(Map.of("HF_TOKEN", token));
    }

    HubConfig offline() {
        return config(Map.of("HF_HUB_OFFLINE", "1"));
    }

    Terminal terminal() {
        return new Terminal(new PrintStream(output, true, StandardCharsets.UTF_8), false);
    }

    void clearOutput() {
        output.reset();
    }

    String output() {
        return output.toString(StandardCharsets.UTF_8);
    }

    Path fetch(String name) throws InterruptedException {
        return fetch(config(), name);
    }

    Path fetch(HubConfig config, String name) throws InterruptedException {
        return new Hub(config, terminal()).fetch(HubName.parse(name).orElseThrow());
    }

    String refusal(String name) {
        return refusal(config(), name);
    }

    String refusal(HubConfig config, String name) {
        return refusal(new Hub(config, terminal()), name);
    }

    String refusal(Hub hub, String name) {
        return assertThrows(
                                UnusableException.class,
                                () -> hub.fetch(HubName.parse(name).orElseThrow()))
                        .getMessage()
                + "";
    }

    byte[] weights() {
        return server.files.getOrDefault(WEIGHTS, new byte[0]);
    }

    void assertWeightsAreThere(Path snapshot) throws IOException {
        assertArrayEquals(weights(), Files.readAllBytes(snapshot.resolve(WEIGHTS)));
    }

    /// Returns the header `Range` of each storage request, in order.
    List<String> ranges() {
        return server.requests("GET", false).stream().map(HubServer.Received::range).toList();
    }

    static Set<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
        }
    }

    @Override
    public void close() {
        server.close();
    }
}
