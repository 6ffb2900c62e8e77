// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.linecorp.armeria.common.HttpMethod;
import com.linecorp.armeria.common.RequestHeaders;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.DrainTarget;
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
import java.net.InetAddress;
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

/// Tests of the API keys of the public port, over HTTP and gRPC.
final class AccessTest {
    private static final String KEY = "sk-first";
    private static final String FILE_KEY = "sk-second";

    /// Needs a key.
    private static TestCoordinator locked;

    @BeforeAll
    static void start(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("keys");
        Files.writeString(file, "# two keys\n\n  " + FILE_KEY + "  \nsk-third\n");
        locked = TestCoordinator.startWith("--api-key=" + KEY, "--api-key-file=" + file);
    }

    @AfterAll
    static void stop() {
        locked.close();
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
        HttpResponse<String> refused =
                AccessRequests.send(locked, AccessRequests.request(locked, path));
        assertEquals(401, refused.statusCode());
        assertEquals(
                "Bearer realm=\"lockstep\"", AccessRequests.header(refused, "www-authenticate"));
        assertFalse(AccessRequests.header(refused, "x-request-id").isEmpty());
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
        HttpRequest.Builder request = AccessRequests.tokenize(locked).header("x-api-key", key);
        assertEquals(status, AccessRequests.send(locked, request).statusCode());
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
                AccessRequests.request(locked, path)
                        .header("x-api-key", "sk-no")
                        .POST(HttpRequest.BodyPublishers.ofString(AccessRequests.BODY));
        HttpResponse<String> refused = AccessRequests.send(locked, request);
        assertEquals(401, refused.statusCode());
        assertEquals(value, TestCoordinator.json(refused.body()).at(at).asText());
        String id = AccessRequests.header(refused, "x-request-id");
        boolean anthropic = path.matches("/v1/messages(/.*)?");
        assertEquals(anthropic ? id : "", AccessRequests.header(refused, "request-id"));
        assertEquals(
                anthropic ? id : "",
                TestCoordinator.json(refused.body()).path("request_id").asText());
    }

    @ParameterizedTest
    @ValueSource(strings = {"/livez", "/readyz", "/health"})
    void healthNeedsNoKey(String path) throws Exception {
        assertEquals(
                200,
                AccessRequests.send(locked, AccessRequests.request(locked, path)).statusCode());
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
                AccessRequests.send(
                        locked,
                        AccessRequests.tokenize(locked).header("Authorization", authorization));
        assertEquals(status, response.statusCode(), response.body());
        if (status == 401) {
            assertFalse(response.body().contains("sk-"), response.body());
        }
    }

    @Test
    void aRefusedBodyIsReadSoThatTheConnectionStaysUsable() throws Exception {
        try (var raw = new RawConnection(locked.coordinator.port())) {
            raw.post(AccessRequests.TOKENIZE, AccessRequests.BODY + " ".repeat(1 << 20));
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

    private static Status drain(TestCoordinator server, String key, boolean wanted) {
        ManagedChannel channel =
                NettyChannelBuilder.forAddress("127.0.0.1", server.coordinator.port())
                        .usePlaintext()
                        .build();
        try {
            AdminGrpc.AdminBlockingStub admin =
                    AdminGrpc.newBlockingStub(channel)
                            .withInterceptors(
                                    MetadataUtils.newAttachHeadersInterceptor(
                                            authorization("Bearer " + key)))
                            .withDeadlineAfter(Eventually.TIMEOUT);
            DrainTarget group = DrainTarget.newBuilder().setGroup("default").build();
            var _ = admin.drainStatus(group);
            var _ = wanted ? admin.drain(group) : admin.undrain(group);
            return Status.OK;
        } catch (StatusRuntimeException e) {
            return e.getStatus();
        } finally {
            channel.shutdownNow();
        }
    }

    private static void assertForbidden(String why, Status status) {
        assertEquals(Status.Code.PERMISSION_DENIED, status.getCode(), status::toString);
        assertTrue(String.valueOf(status.getDescription()).contains(why), status::toString);
    }

    @Test
    void aDrainNeedsTheAdminKey() throws Exception {
        assertForbidden("--admin-key sets it", drain(locked, KEY, true));
        try (TestCoordinator server =
                TestCoordinator.startWith("--api-key=" + KEY, "--admin-key=sk-admin")) {
            assertForbidden("needs the admin key", drain(server, KEY, true));
            assertEquals(Status.Code.UNAUTHENTICATED, drain(server, "sk-no", true).getCode());
            assertEquals(Status.OK, drain(server, "sk-admin", true));
            assertForbidden("needs the admin key", drain(server, KEY, false));
            assertEquals(Status.OK, drain(server, "sk-admin", false));
            assertEquals(
                    200,
                    AccessRequests.send(
                                    server,
                                    AccessRequests.tokenize(server).header("x-api-key", "sk-admin"))
                            .statusCode());
        }
    }

    @Test
    void withoutApiKeysTheAdminKeyIsNeededForDrainsOnly() throws Exception {
        try (TestCoordinator server = TestCoordinator.startWith("--admin-key=sk-admin")) {
            assertForbidden("needs the admin key", drain(server, "", true));
            assertEquals(Status.OK, drain(server, "sk-admin", true));
            assertEquals(
                    200, AccessRequests.send(server, AccessRequests.tokenize(server)).statusCode());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "127.0.0.1, /lockstep.v1.Admin/Drain, true",
        "::1, /lockstep.v1.Admin/Undrain, true",
        "10.1.2.3, /lockstep.v1.Admin/Drain, false",
        "10.1.2.3, /lockstep.v1.Admin/Other, false",
        "10.1.2.3, /lockstep.v1.Admin/DrainStatus, true",
        "10.1.2.3, /v1/models, true"
    })
    void withoutAnyKeyOnlyTheOwnHostMayDrain(String client, String path, boolean accepted)
            throws Exception {
        ApiKeys none = TestCoordinator.config(Path.of("m"), 0).access().keys();
        RequestHeaders headers = RequestHeaders.of(HttpMethod.POST, path);
        assertEquals(
                accepted,
                new AdminAccess(none)
                        .refusal(path, headers, InetAddress.getByName(client))
                        .isEmpty());
    }

    private static void assertUnauthenticated(StatusRuntimeException refused) {
        assertEquals(
                Status.Code.UNAUTHENTICATED,
                refused.getStatus().getCode(),
                refused.getStatus().toString());
        assertTrue(String.valueOf(refused.getStatus().getDescription()).contains("API key"));
    }

    private static Metadata authorization(String value) {
        var headers = new Metadata();
        if (!value.isEmpty()) {
            headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), value);
        }
        return headers;
    }

    private static String models(ManagedChannel channel, String authorization) {
        return InferenceGrpc.newBlockingStub(channel)
                .withInterceptors(
                        MetadataUtils.newAttachHeadersInterceptor(authorization(authorization)))
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
}
