// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.TokenIds;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;

/// A client whose network is gone sends no end of its connection: its request is cancelled all the
/// same. In a network namespace of its own, whose only interface goes down.
@ExtendWith(LogsOnFailure.class)
@EnabledIfSystemProperty(
        named = "lockstep.long",
        matches = "true",
        disabledReason = "waits for a minute")
final class VanishedClientIT {
    private static final Pattern PORT = Pattern.compile("OpenAI API +http://127.0.0.1:(\\d+)/v1");
    private static final List<String> NAMESPACE =
            List.of("unshare", "-Urn", "bash", "-c", "ip link set lo up && exec \"$@\"", "bash");

    @Test
    void aRequestOverHttpIsCancelledIn45Seconds() throws Exception {
        String body = CompletionBodies.greedy(List.of(3, 6, 7), 200).put("stream", true).toString();
        assertCancelled(
                Duration.ofSeconds(45),
                "/v1/completions",
                body.getBytes(StandardCharsets.UTF_8),
                "content-type: application/json");
    }

    @Test
    void aRequestOverGrpcIsCancelledIn20Seconds() throws Exception {
        byte[] message =
                InferenceRequest.newBuilder()
                        .setModel(ServedCluster.MODEL)
                        .setPromptIds(TokenIds.newBuilder().addIds(3).addIds(6))
                        .setMaxTokens(200)
                        .setIgnoreEos(true)
                        .build()
                        .toByteArray();
        // A byte that says that it is not compressed, and its length, precede a message.
        ByteBuffer framed = ByteBuffer.allocate(5 + message.length).put((byte) 0);
        framed.putInt(message.length).put(message);
        assertCancelled(
                Duration.ofSeconds(20),
                "/" + InferenceGrpc.getGenerateMethod().getFullMethodName(),
                framed.array(),
                "content-type: application/grpc",
                "te: trailers");
    }

    private static void assertCancelled(Duration limit, String path, byte[] body, String... headers)
            throws Exception {
        Assumptions.assumeTrue(
                run(NAMESPACE, "true") == 0, "this host allows no namespaces of networks");
        try (Sandbox sandbox = Sandbox.quick();
                var clock = new LoadAwareClock()) {
            LockstepProcess serve =
                    sandbox.start(
                            "serve",
                            "serve",
                            ServedCluster.flags(
                                    sandbox,
                                    Models.tiny(sandbox, 4),
                                    "--failpoints=worker.before-step=sleep:1s"),
                            NAMESPACE);
            String port =
                    BoundedWait.find(
                            () -> "serve prints its address",
                            () -> {
                                assertTrue(serve.isAlive(), serve::errors);
                                Matcher address = PORT.matcher(serve.output());
                                return address.find()
                                        ? Optional.of(address.group(1))
                                        : Optional.empty();
                            });
            List<String> inside =
                    List.of(
                            "nsenter",
                            "-t",
                            Long.toString(serve.pid()),
                            "-U",
                            "-n",
                            "--preserve-credentials");
            Path events = sandbox.folder().resolve("events");
            Path sent = Files.write(sandbox.folder().resolve("body"), body);
            List<String> curl = words(inside, "curl", "-sN", "--data-binary", "@" + sent);
            for (String header : headers) {
                curl.addAll(List.of("-H", header));
            }
            if (path.contains("Inference")) {
                curl.add("--http2-prior-knowledge");
            }
            curl.add("http://127.0.0.1:" + port + path);
            Process client = new ProcessBuilder(curl).redirectOutput(events.toFile()).start();
            try {
                BoundedWait.await("the stream begins", () -> Files.size(events) > 0);
                Duration before = clock.elapsed();
                assertEquals(0, run(inside, "ip", "link", "set", "lo", "down"));
                BoundedWait.await(
                        before.plus(limit),
                        clock,
                        () -> "the request is cancelled",
                        () ->
                                Files.readString(sandbox.folder().resolve("coordinator.log"))
                                        .contains("finish=client_gone"));
            } finally {
                client.destroyForcibly();
            }
        }
    }

    private static List<String> words(List<String> first, String... more) {
        List<String> words = new ArrayList<>(first);
        words.addAll(List.of(more));
        return words;
    }

    private static int run(List<String> first, String... more) throws Exception {
        return new ProcessBuilder(words(first, more)).inheritIO().start().waitFor();
    }
}
