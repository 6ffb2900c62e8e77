// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.ListModelsRequest;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of who may use the public port: API keys, names of the server, pages of other sites.
final class AccessTest {
    private static final String KEY = "sk-first";
    private static final String FILE_KEY = "sk-second";
    private static final String PAGE = "https://app.example";
    private static final String TOKENIZE = "/tokenize";
    private static final String BODY = "{\"model\":\"tiny\",\"prompt\":\"a\"}";

    /// Needs a key, and serves one page.
    private static TestCoordinator locked;

    /// Has the default settings.
    private static TestCoordinator plain;

    @BeforeAll
    static void start(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("keys");
        Files.writeString(file, "# two keys\n\n  " + FILE_KEY + "  \nsk-third\n");
        locked =
                TestCoordinator.startWith(
                        "--api-key=" + KEY,
                        "--api-key-file=" + file,
                        "--cors-origins=" + PAGE + ",http://other.example:81",
                        "--allowed-hosts=api.example");
        plain = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        locked.close();
        plain.close();
    }

    private static HttpRequest.Builder request(TestCoordinator to, String path) {
        return HttpRequest.newBuilder(to.uri(path));
    }

    private static HttpResponse<String> send(TestCoordinator to, HttpRequest.Builder request)
            throws Exception {
        return to.send(request.build());
    }

    private static HttpRequest.Builder tokenize(TestCoordinator to) {
        return request(to, TOKENIZE).POST(HttpRequest.BodyPublishers.ofString(BODY));
    }

    private static String header(HttpResponse<String> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    /// Sends a request with a Host header, which the JDK's client does not allow.
    private static String status(TestCoordinator to, String method, String host, String more)
            throws Exception {
        try (var raw = new RawConnection(to.coordinator.port())) {
            String body = method.equals("GET") ? "" : BODY;
            raw.send(
                    method
                            + (method.equals("GET") ? " /version" : " " + TOKENIZE)
                            + " HTTP/1.1\r\nConnection: close\r\nHost: "
                            + host
                            + more
                            + "\r\nContent-Length: "
                            + body.length()
                            + "\r\n\r\n"
                            + body);
            return raw.readAll().split(" ", 3)[1];
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/models",
                "/v1/models/tiny",
                "/metrics",
                "/version",
                "/tokenizer_info",
                "/v1/requests/x",
                "/nothing"
            })
    void everyRouteExceptHealthNeedsAKey(String path) throws Exception {
        HttpResponse<String> refused = send(locked, request(locked, path));
        assertEquals(401, refused.statusCode());
        assertEquals("Bearer realm=\"lockstep\"", header(refused, "www-authenticate"));
        assertFalse(header(refused, "x-request-id").isEmpty());
        JsonNode error = TestCoordinator.json(refused.body()).get("error");
        assertEquals("invalid_request_error", error.get("type").asText());
        assertEquals("invalid_api_key", error.get("code").asText());
    }

    @ParameterizedTest
    @CsvSource({
        "sk-first, 200",
        "sk-third, 200",
        "Bearer sk-first, 401",
        "sk-firs, 401",
        "'', 401"
    })
    void aKeyMayComeInTheHeaderOfAnthropicsClients(String key, int status) throws Exception {
        HttpRequest.Builder request = tokenize(locked).header("x-api-key", key);
        assertEquals(status, send(locked, request).statusCode());
    }

    @ParameterizedTest
    @CsvSource({
        "/v1/messages, authentication_error, /error/type",
        "/v1/messages/, error, /type",
        "/v1/messages/count_tokens, authentication_error, /error/type",
        "/api/chat, the API key is not valid, /error",
        "/v1/messagesx, invalid_api_key, /error/code",
    })
    void aRefusalHasTheFormOfTheRoute(String path, String value, String at) throws Exception {
        HttpRequest.Builder request =
                request(locked, path)
                        .header("x-api-key", "sk-no")
                        .POST(HttpRequest.BodyPublishers.ofString(BODY));
        HttpResponse<String> refused = send(locked, request);
        assertEquals(401, refused.statusCode());
        assertEquals(value, TestCoordinator.json(refused.body()).at(at).asText());
        String id = header(refused, "x-request-id");
        boolean anthropic = path.matches("/v1/messages(/.*)?");
        assertEquals(anthropic ? id : "", header(refused, "request-id"));
        assertEquals(
                anthropic ? id : "",
                TestCoordinator.json(refused.body()).path("request_id").asText());
    }

    @ParameterizedTest
    @ValueSource(strings = {"/livez", "/readyz", "/health"})
    void healthNeedsNoKey(String path) throws Exception {
        assertEquals(200, send(locked, request(locked, path)).statusCode());
    }

    @ParameterizedTest
    @CsvSource({
        "Bearer sk-first, 200",
        "bearer sk-second, 200",
        "Bearer   sk-third, 200",
        "Bearer sk-firs, 401",
        "Bearer sk-first2, 401",
        "Bearer # two keys, 401",
        "'Bearer ', 401",
        "Basic sk-first, 401",
        "sk-first, 401"
    })
    void aKeyIsABearerToken(String authorization, int status) throws Exception {
        HttpResponse<String> response =
                send(locked, tokenize(locked).header("Authorization", authorization));
        assertEquals(status, response.statusCode(), response.body());
        if (status == 401) {
            assertFalse(response.body().contains("sk-"), response.body());
        }
    }

    @Test
    void aRefusedBodyIsReadSoThatTheConnectionStaysUsable() throws Exception {
        try (var raw = new RawConnection(locked.coordinator.port())) {
            raw.post(TOKENIZE, BODY + " ".repeat(1 << 20));
            assertTrue(raw.readUntil("invalid_api_key").startsWith("HTTP/1.1 401"));
            raw.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
            raw.readUntil("{\"status\":\"ok\"}");
        }
    }

    /// The second path needs no key, and its method is wrong.
    @ParameterizedTest
    @CsvSource({"/tokenize, 401, invalid_api_key", "/livez, 405, method_not_allowed"})
    void aBodyThatIsNotUsedIsReadUpToALimit(String path, String status, String code)
            throws Exception {
        try (var raw = new RawConnection(locked.coordinator.port())) {
            raw.send(
                    "POST "
                            + path
                            + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000000\r\n\r\n");
            raw.send(" ".repeat(9 << 20));
            assertTrue(raw.readUntil(code).startsWith("HTTP/1.1 " + status));
        }
    }

    @Test
    void gRpcNeedsAKeyExceptForHealth() throws Exception {
        ManagedChannel channel =
                NettyChannelBuilder.forAddress("127.0.0.1", locked.coordinator.port())
                        .usePlaintext()
                        .build();
        try {
            HealthGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(Eventually.TIMEOUT)
                    .check(HealthCheckRequest.getDefaultInstance());
            for (String authorization : new String[] {"", "Bearer sk-no"}) {
                assertUnauthenticated(
                        assertThrows(
                                StatusRuntimeException.class,
                                () -> models(channel, authorization)));
            }
            assertEquals("tiny", models(channel, "Bearer " + FILE_KEY));
            assertUnauthenticated(
                    assertThrows(
                            StatusRuntimeException.class,
                            () ->
                                    AdminGrpc.newBlockingStub(channel)
                                            .withDeadlineAfter(Eventually.TIMEOUT)
                                            .clusterStatus(
                                                    ClusterStatusRequest.getDefaultInstance())));
            ExecutionException reflected =
                    assertThrows(ExecutionException.class, () -> reflect(channel));
            assertEquals(
                    Status.Code.UNAUTHENTICATED,
                    Status.fromThrowable(reflected.getCause()).getCode());
        } finally {
            channel.shutdownNow();
        }
    }

    private static void assertUnauthenticated(StatusRuntimeException refused) {
        assertEquals(
                Status.Code.UNAUTHENTICATED,
                refused.getStatus().getCode(),
                refused.getStatus().toString());
        assertTrue(String.valueOf(refused.getStatus().getDescription()).contains("API key"));
    }

    private static String models(ManagedChannel channel, String authorization) {
        var headers = new Metadata();
        if (!authorization.isEmpty()) {
            headers.put(
                    Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
                    authorization);
        }
        return InferenceGrpc.newBlockingStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                .withDeadlineAfter(Eventually.TIMEOUT)
                .listModels(ListModelsRequest.getDefaultInstance())
                .getModels(0)
                .getId();
    }

    private static void reflect(ManagedChannel channel) throws Exception {
        CompletableFuture<ServerReflectionResponse> response = new CompletableFuture<>();
        StreamObserver<ServerReflectionRequest> requests =
                ServerReflectionGrpc.newStub(channel)
                        .serverReflectionInfo(
                                new StreamObserver<>() {
                                    @Override
                                    public void onNext(ServerReflectionResponse message) {
                                        response.complete(message);
                                    }

                                    @Override
                                    public void onError(Throwable failure) {
                                        response.completeExceptionally(failure);
                                    }

                                    @Override
                                    public void onCompleted() {}
                                });
        requests.onNext(ServerReflectionRequest.newBuilder().setListServices("").build());
        response.get(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
    }

    @ParameterizedTest
    @CsvSource({
        "localhost, 200",
        "LocalHost.:8000, 200",
        "127.0.0.1:8000, 200",
        "127.9.9.9, 200",
        "[::1]:8000, 200",
        "app.localhost, 200",
        "host.docker.internal:8000, 200",
        "evil.example, 403",
        "evil.example:8000, 403",
        "127.0.0.1.evil.example, 403",
        "localhost.evil.example, 403",
        "10.0.0.1:80, 200",
        "10.0.0.1.evil.example, 403"
    })
    void aNameOfAnotherHostIsRefusedOnTheLoopbackAddress(String host, String status)
            throws Exception {
        assertEquals(status, status(plain, "GET", host, ""));
        assertEquals(status, status(plain, "POST", host, ""));
    }

    @Test
    void furtherNamesOfTheServerAreAccepted() throws Exception {
        String key = "\r\nAuthorization: Bearer " + KEY;
        assertEquals("200", status(locked, "GET", "API.example:443", key));
        assertEquals("403", status(locked, "GET", "other.example", key));
    }

    @ParameterizedTest
    @CsvSource({
        "http://localhost:3000, 200",
        "http://127.0.0.1, 200",
        "https://evil.example, 403",
        "http://localhost.evil.example, 403",
        "http://10.0.0.1, 403",
        "null, 403"
    })
    void aPageOfAnotherSiteCannotPost(String origin, String status) throws Exception {
        for (String type : new String[] {"text/plain", "application/json"}) {
            String more = "\r\nOrigin: " + origin + "\r\nContent-Type: " + type;
            assertEquals(status, status(plain, "POST", "localhost", more));
            assertEquals("200", status(plain, "GET", "localhost", more));
        }
        HttpResponse<String> response = send(plain, tokenize(plain).header("Origin", origin));
        assertEquals(Integer.parseInt(status), response.statusCode());
        assertEquals("", header(response, "access-control-allow-origin"));
    }

    @Test
    void aRefusedPageIsToldWhy() throws Exception {
        HttpResponse<String> response =
                send(plain, tokenize(plain).header("Origin", "https://evil.example"));
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals("origin_not_allowed", error.get("code").asText());
        String message = error.get("message").asText();
        assertTrue(message.contains("https://evil.example"), message);
        assertTrue(message.contains("--cors-origins"), message);
    }

    @Test
    void configuredPagesAskAndPost() throws Exception {
        HttpResponse<String> asked =
                send(
                        locked,
                        request(locked, "/v1/chat/completions")
                                .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                                .header("Origin", PAGE)
                                .header("Access-Control-Request-Method", "POST")
                                .header(
                                        "Access-Control-Request-Headers",
                                        "authorization,content-type,x-stainless-os"));
        assertEquals(200, asked.statusCode());
        assertEquals(PAGE, header(asked, "access-control-allow-origin"));
        assertTrue(header(asked, "access-control-allow-methods").contains("POST"));
        assertEquals(
                "authorization,content-type,x-stainless-os",
                header(asked, "access-control-allow-headers"));

        HttpResponse<String> served =
                send(
                        locked,
                        tokenize(locked)
                                .header("Origin", PAGE)
                                .header("Authorization", "Bearer " + KEY));
        assertEquals(200, served.statusCode());
        assertEquals(PAGE, header(served, "access-control-allow-origin"));
        assertTrue(header(served, "access-control-expose-headers").contains("x-request-id"));

        // The page can read the error, too.
        HttpResponse<String> refused = send(locked, tokenize(locked).header("Origin", PAGE));
        assertEquals(401, refused.statusCode());
        assertEquals(PAGE, header(refused, "access-control-allow-origin"));
    }

    @Test
    void otherPagesGetNoPermission() throws Exception {
        HttpResponse<String> asked =
                send(
                        locked,
                        request(locked, TOKENIZE)
                                .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                                .header("Origin", "https://evil.example")
                                .header("Access-Control-Request-Method", "POST"));
        assertEquals("", header(asked, "access-control-allow-origin"));
        HttpResponse<String> refused =
                send(
                        locked,
                        tokenize(locked)
                                .header("Origin", "https://evil.example")
                                .header("Authorization", "Bearer " + KEY));
        assertEquals(403, refused.statusCode());
        assertEquals("", header(refused, "access-control-allow-origin"));
    }

    @Test
    void everyPageMayBeAllowed() throws Exception {
        try (TestCoordinator any =
                TestCoordinator.startWith("--cors-origins=*", "--allowed-hosts=*")) {
            HttpResponse<String> response =
                    send(any, tokenize(any).header("Origin", "https://any.example"));
            assertEquals(200, response.statusCode());
            assertEquals("*", header(response, "access-control-allow-origin"));
            assertEquals("200", status(any, "POST", "any.example", "\r\nOrigin: null"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.0.0.0", "::", "10.1.2.3"})
    void otherHostsNeedAKeyUnlessTheyMayComeWithout(String host) {
        SettingsException refused =
                assertThrows(
                        SettingsException.class,
                        () -> TestCoordinator.config(Path.of("m"), 0, "--host=" + host));
        assertTrue(String.valueOf(refused.getMessage()).contains("--insecure-bind"));
        assertTrue(
                TestCoordinator.config(Path.of("m"), 0, "--host=" + host, "--insecure-bind")
                        .access()
                        .isOpen());
        assertFalse(
                TestCoordinator.config(Path.of("m"), 0, "--host=" + host, "--api-key=k")
                        .access()
                        .isOpen());
    }

    @ParameterizedTest
    @CsvSource({
        "--api-key=a b, visible ASCII",
        "--api-key=, is empty",
        "--api-key-file=/nowhere, cannot be read",
        "--cors-origins=https://a.example/, is not an origin",
        "--cors-origins=a.example, is not an origin",
        "--allowed-hosts=a.example:80, without a port"
    })
    void aWrongSettingIsRefused(String word, String message) {
        SettingsException refused =
                assertThrows(
                        SettingsException.class,
                        () -> TestCoordinator.config(Path.of("m"), 0, word));
        String text = String.valueOf(refused.getMessage());
        assertTrue(text.contains(message), text);
        assertFalse(text.contains("a b"), text);
    }

    @Test
    void noKeyIsInTheTextOfTheSettings() {
        CoordinatorConfig config = TestCoordinator.config(Path.of("m"), 0, "--api-key=" + KEY);
        assertFalse(config.toString().contains(KEY), config.toString());
    }
}
