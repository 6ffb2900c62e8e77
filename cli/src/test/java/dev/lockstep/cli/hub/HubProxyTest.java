// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.Lockstep;
import dev.lockstep.cli.TestTimeout;
import dev.lockstep.cluster.process.ExitCode;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Tests downloads through a proxy, from hosts whose names only the proxy can resolve.
class HubProxyTest {
    private static final String MODEL = TestHub.MODEL;
    private static final String CREDENTIALS = "ann:s@crt";

    @TempDir Path folder;
    private TestHub hub;
    private TestProxy proxy;
    private String endpoint = "";

    @BeforeEach
    void serve() throws IOException {
        hub = new TestHub(folder.resolve("hub"));
        hub.server.storageHost = "storage.test";
        proxy = new TestProxy();
        endpoint = "http://hub.test:" + hub.server.endpoint().getPort();
    }

    @AfterEach
    void stop() {
        hub.close();
        proxy.close();
    }

    private HubConfig config(String variable, String value) {
        return hub.config(Map.of("HF_ENDPOINT", endpoint, "HF_TOKEN", "secret", variable, value));
    }

    @Test
    void theHubAndItsStorageAreReachedThroughTheProxy() throws Exception {
        proxy.required = Optional.of(CREDENTIALS);
        String value = "http://ann:s%40crt@" + proxy.address();
        hub.assertWeightsAreThere(hub.fetch(config("HTTP_PROXY", value), MODEL));
        assertEquals(
                Set.of("hub.test", "storage.test"),
                proxy.requests.stream()
                        .map(each -> each.target().replaceFirst(":.*", ""))
                        .collect(Collectors.toSet()));
        assertEquals(hub.server.requests.size(), proxy.requests.size(), "each request once");
        for (HubServer.Received request : hub.server.requests) {
            assertEquals(
                    request.ofHub() ? Optional.of("Bearer secret") : Optional.empty(),
                    request.token(),
                    request.toString());
        }
    }

    @Test
    void thisHostIsReachedWithoutIt() throws Exception {
        hub.server.storageHost = "localhost";
        hub.fetch(hub.config(Map.of("ALL_PROXY", proxy.address())), MODEL);
        assertEquals(List.of(), proxy.requests);
    }

    @Test
    void aRefusalOfTheProxyNamesTheRemedy() {
        proxy.required = Optional.of(CREDENTIALS);
        assertEquals(
                "the proxy %1$s asks for a user and password: set HTTP_PROXY to http://user:password@%1$s"
                        .formatted(proxy.address()),
                hub.refusal(config("HTTP_PROXY", proxy.address()), MODEL));
        assertEquals(
                "the proxy %s does not accept the user and password (Basic) of http_proxy: correct them there"
                        .formatted(proxy.address()),
                hub.refusal(config("http_proxy", "ann:other@" + proxy.address()), MODEL));
        assertEquals(2, proxy.requests.size(), "no retry");
    }

    @Test
    void aProxyThatCannotBeReachedIsNamed() {
        // No process listens on port 1.
        String message = hub.refusal(config("ALL_PROXY", "http://ann:secret@127.0.0.1:1"), MODEL);
        assertTrue(
                message.startsWith(
                        endpoint
                                + " cannot be reached (no connection through the proxy"
                                + " 127.0.0.1:1 of ALL_PROXY), and acme/tiny is not in "),
                message);
    }

    /// Runs in a separate process: a JVM decides once whether tunnels may use a password.
    @Test
    void aTunnelRequestHasThePassword() throws Exception {
        proxy.required = Optional.of("other:user");
        var fetch =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Lockstep.class.getName(),
                        "models",
                        "--fetch",
                        MODEL);
        fetch.environment()
                .keySet()
                .removeIf(name -> name.toLowerCase(Locale.ROOT).endsWith("_proxy"));
        fetch.environment()
                .putAll(
                        hub.environment(
                                Map.of(
                                        "HF_ENDPOINT",
                                        "https://hub.test",
                                        "HF_TOKEN",
                                        "secret",
                                        "HTTPS_PROXY",
                                        "http://ann:s%40crt@" + proxy.address())));
        Process process = fetch.redirectErrorStream(true).start();
        try (BufferedReader output = process.inputReader()) {
            List<String> lines = output.lines().toList();
            assertEquals(
                    "lockstep models: the proxy %s does not accept the user and password (Basic) of HTTPS_PROXY: correct them there"
                            .formatted(proxy.address()),
                    lines.getLast());
            assertFalse(String.join("\n", lines).contains("crt"));
            assertTrue(process.waitFor(TestTimeout.HANG.toSeconds(), TimeUnit.SECONDS));
            assertEquals(ExitCode.UNUSABLE, process.exitValue());
        } finally {
            process.destroyForcibly();
        }
        assertEquals(
                List.of(
                        new TestProxy.Received(
                                "CONNECT", "hub.test:443", Optional.of(CREDENTIALS))),
                proxy.requests);
    }
}
