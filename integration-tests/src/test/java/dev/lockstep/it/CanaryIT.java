// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.ReservedPorts;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.RequestTimelineRequest;
import dev.lockstep.proto.v1.TokenIds;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Nothing of one request is seen by another client, nor in logs, metrics or states.
@ExtendWith(LogsOnFailure.class)
final class CanaryIT {
    private static final int REQUESTS = 200;

    /// So many are sent alone first, three of each kind.
    private static final int ALONE = 3 * Canary.Kind.values().length;

    private static final long SEED = 20_250_101;

    private static ServedCluster cluster;
    private static int adminPort;

    @BeforeAll
    static void start() throws Exception {
        Sandbox sandbox = Sandbox.verbose();
        adminPort = ReservedPorts.next(4);
        cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--tensor-parallel=2",
                        "--max-num-seqs=24",
                        "--admin-port=" + adminPort,
                        "--max-num-batched-tokens=64");
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    private static Channel channel(String tenant) {
        var metadata = new Metadata();
        metadata.put(
                Metadata.Key.of("x-lockstep-tenant", Metadata.ASCII_STRING_MARSHALLER), tenant);
        return ClientInterceptors.intercept(
                cluster.admin().channel(), MetadataUtils.newAttachHeadersInterceptor(metadata));
    }

    private static Canary.Answer send(Canary canary, String tenant) {
        return canary.send(cluster.api().ofTenant(tenant), channel(tenant));
    }

    /// An answer has the same bits as when its request was alone, so nothing of the others changed
    /// it.
    @Test
    void noMarkerOfARequestIsSeenByAnother() throws Exception {
        List<Canary> canaries =
                IntStream.range(0, REQUESTS).mapToObj(i -> Canary.of(i, SEED)).toList();
        Map<Canary, String> alone = new LinkedHashMap<>();
        for (Canary canary : canaries.subList(0, ALONE)) {
            if (canary.isComplete()) {
                alone.put(canary, send(canary, "reference").text());
            }
        }
        List<Canary.Answer> answers =
                Together.map(canaries, canary -> send(canary, canary.tenant()));
        for (int i = 0; i < REQUESTS; i++) {
            Canary canary = canaries.get(i);
            String text = answers.get(i).text();
            assertEquals(canary.isQuoted(), text.contains(canary.marker()), text);
            if (alone.containsKey(canary)) {
                assertEquals(alone.get(canary), text, () -> canary + " beside others");
            }
            assertHasNoMarkerOf(
                    canaries.stream().filter(other -> !other.equals(canary)).toList(),
                    "the answer to " + canary,
                    text);
        }
        assertTimelinesAreTheirTenants(canaries, answers);
        assertNothingIsKept(canaries);
    }

    private static void assertHasNoMarkerOf(List<Canary> canaries, String where, String text) {
        for (Canary canary : canaries) {
            assertFalse(text.contains(canary.marker()), () -> canary + " is in " + where);
            assertFalse(text.contains(canary.tenant()), () -> canary + " is in " + where);
        }
    }

    private static void assertTimelinesAreTheirTenants(
            List<Canary> canaries, List<Canary.Answer> answers) {
        int known = 0;
        Set<Canary.Kind> kinds = new HashSet<>();
        for (int i = 0; i < REQUESTS; i++) {
            Canary canary = canaries.get(i);
            if (answers.get(i).id().isEmpty() || !kinds.add(canary.kind())) {
                continue;
            }
            String id = answers.get(i).id().get();
            Api own = cluster.api().ofTenant(canary.tenant());
            String timeline = own.get("/v1/requests/" + id).ok().toString();
            assertHasNoMarkerOf(canaries, "the timeline of " + canary, timeline);
            assertHasNoMarkerOf(
                    canaries, "the timeline of " + canary, describe(id, canary.tenant()));
            for (Api other : List.of(cluster.api(), cluster.api().ofTenant("another"))) {
                assertEquals(404, other.get("/v1/requests/" + id).status(), canary::toString);
            }
            StatusRuntimeException unknown =
                    assertThrows(StatusRuntimeException.class, () -> describe(id, "another"));
            assertEquals(Status.Code.NOT_FOUND, unknown.getStatus().getCode());
            known++;
        }
        assertTrue(known >= 6, "kinds of requests with a timeline: " + kinds);
    }

    private static String describe(String id, String tenant) {
        return AdminGrpc.newBlockingStub(channel(tenant))
                .withDeadlineAfter(BoundedWait.TIMEOUT)
                .describeRequest(RequestTimelineRequest.newBuilder().setRequestId(id).build())
                .toString();
    }

    private static void assertNothingIsKept(List<Canary> canaries) throws IOException {
        for (String path : List.of("/metrics", "/readyz", "/health", "/livez", "/v1/models")) {
            assertHasNoMarkerOf(canaries, path, cluster.api().text(path));
        }
        assertHasNoMarkerOf(canaries, "the status", cluster.admin().status().toString());
        assertStatesAreWithoutText(canaries);
        Map<Path, String> files = files();
        assertTrue(
                files.values().stream().anyMatch(text -> text.contains("DEBUG")),
                () -> "no debug line in " + files.keySet());
        files.forEach((file, text) -> assertHasNoMarkerOf(canaries, file.toString(), text));
    }

    private static void assertStatesAreWithoutText(List<Canary> canaries) throws IOException {
        String coordinator = state(adminPort);
        assertTrue(coordinator.contains("\"open_requests\" : [ ]"), coordinator);
        assertHasNoMarkerOf(canaries, "the coordinator's state", coordinator);
        String scheduler = state(adminPort + 1);
        assertTrue(scheduler.contains("\"sequences\" : [ ]"), scheduler);
        assertTrue(scheduler.contains("\"used\" : 0"), scheduler);
        assertHasNoMarkerOf(canaries, "the scheduler's state", scheduler);
        for (int rank = 0; rank < 2; rank++) {
            String worker = state(adminPort + 2 + rank);
            assertTrue(worker.contains("\"rank\" : " + rank), worker);
            assertTrue(worker.contains("\"formed\" : true"), worker);
            assertHasNoMarkerOf(canaries, "the worker's state", worker);
        }
    }

    private static String state(int port) throws IOException {
        URI address = URI.create("http://127.0.0.1:" + port + "/debug/state");
        try (InputStream body = address.toURL().openStream()) {
            return new String(body.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /// Returns the texts of all files that the processes wrote, whatever they are.
    private static Map<Path, String> files() throws IOException {
        Map<Path, String> texts = new LinkedHashMap<>();
        try (Stream<Path> files = Files.walk(cluster.sandbox().folder())) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                texts.put(file, Files.readString(file, StandardCharsets.ISO_8859_1));
            }
        }
        return texts;
    }

    @Test
    void tenantsAndSaltsShareNoCachedBlock() {
        List<Integer> prompt = new ArrayList<>();
        for (int i = 0; i < 70; i++) {
            prompt.add(5 + i);
        }
        assertEquals(List.of(0, 64), cached(prompt, "first", ""), "its own blocks are found");
        assertEquals(List.of(0, 64), cached(prompt, "second", ""));
        assertEquals(List.of(0, 64), cached(prompt, "first", "salt"));
        assertEquals(List.of(0, 64), cached(prompt, "second", "salt"));
        assertEquals(List.of(64, 64), cached(prompt, "first", ""));
        // The parts of a domain are not joined into one text.
        assertEquals(List.of(0, 64), cached(prompt, "firstsalt", ""));
        assertEquals(List.of(0, 64), cached(prompt, "firs", "tsalt"));
    }

    /// Returns how many tokens of a prompt are found in the cache over HTTP, then over gRPC.
    private static List<Integer> cached(List<Integer> prompt, String tenant, String salt) {
        ObjectNode body = CompletionBodies.greedy(prompt, 1).put("cache_salt", salt);
        int overHttp =
                Generated.cachedTokens(
                        cluster.api()
                                .ofTenant(tenant)
                                .post(CompletionBodies.COMPLETIONS, body)
                                .ok());
        InferenceRequest request =
                InferenceRequest.newBuilder()
                        .setModel(ServedCluster.MODEL)
                        .setPromptIds(TokenIds.newBuilder().addAllIds(prompt))
                        .setMaxTokens(1)
                        .setCacheSalt(salt)
                        .build();
        List<Integer> overRpc = new ArrayList<>();
        InferenceGrpc.newBlockingStub(channel(tenant))
                .withDeadlineAfter(BoundedWait.TIMEOUT)
                .generate(request)
                .forEachRemaining(
                        event -> {
                            if (event.getEventCase() == InferenceEvent.EventCase.FINISHED) {
                                overRpc.add(event.getFinished().getUsage().getCachedTokens());
                            }
                        });
        return List.of(overHttp, overRpc.getFirst());
    }
}
