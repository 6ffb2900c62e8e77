// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;

/// Two hundred clients ask for streams and read nothing: others are served as before, and memory is
/// bounded.
@ExtendWith(LogsOnFailure.class)
@EnabledIfSystemProperty(
        named = "lockstep.long",
        matches = "true",
        disabledReason = "waits for clients that do not read")
final class SlowReadersIT {
    private static final int READERS = 200;
    private static final int TOKENS = 200;
    private static final long MAX_GROWTH_MEBIBYTES = 100;
    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 8);

    @Test
    void clientsThatDoNotReadDisturbNobody() throws Exception {
        Sandbox sandbox = Sandbox.plain();
        try (ServedCluster cluster =
                ServedCluster.start(sandbox, Models.tiny(sandbox, 4), "--max-num-seqs=64")) {
            Api api = cluster.api();
            Baseline baseline = Baseline.of(cluster);
            Generated expected = Generated.of(api.post(CompletionBodies.COMPLETIONS, SMALL).ok());
            // The first requests of a process need memory whoever sends them.
            readAll(api);
            long before = sandbox.residentMebibytes("coordinator");
            List<Socket> readers = new ArrayList<>();
            try (var load = new BackgroundLoad(api, SMALL, 2)) {
                for (int i = 0; i < READERS; i++) {
                    readers.add(ask(api.port(), i));
                }
                BoundedWait.await(
                        "they run or wait: " + cluster.group(),
                        () -> cluster.group().getRunning() + cluster.group().getWaiting() > 8);
                int served = load.count("ok");
                BoundedWait.await("others are served", () -> load.count("ok") > served + 10);
                BoundedWait.await(
                        "their streams are generated, or given up",
                        () -> cluster.group().getRunning() + cluster.group().getWaiting() <= 2);
                assertEquals(Set.of("ok"), load.outcomes().keySet(), load.outcomes()::toString);
                assertEquals(
                        expected, Generated.of(api.post(CompletionBodies.COMPLETIONS, SMALL).ok()));
                long growth = sandbox.residentMebibytes("coordinator") - before;
                assertTrue(growth <= MAX_GROWTH_MEBIBYTES, growth + " MiB more");
            } finally {
                for (Socket reader : readers) {
                    reader.close();
                }
            }
            baseline.awaitRestored();
        }
    }

    private static ObjectNode body(int reader) {
        ObjectNode body = CompletionBodies.greedy(List.of(3, 1 + reader % 50, 7), TOKENS);
        body.put("stream", true).put("logprobs", 5);
        return body;
    }

    private static void readAll(Api api) throws Exception {
        List<Integer> readers = new ArrayList<>();
        for (int i = 0; i < READERS; i++) {
            readers.add(i);
        }
        Together.map(
                readers,
                reader -> {
                    try (EventReader events =
                            api.stream(CompletionBodies.COMPLETIONS, body(reader))) {
                        return Generated.of(events);
                    }
                });
    }

    private static Socket ask(int port, int reader) throws IOException {
        var socket = new Socket();
        // What a client of 10 bytes a second takes from the server at most.
        socket.setReceiveBufferSize(4096);
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        byte[] body = body(reader).toString().getBytes(StandardCharsets.UTF_8);
        String head =
                "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                        .formatted(CompletionBodies.COMPLETIONS, body.length);
        socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().write(body);
        return socket;
    }
}
