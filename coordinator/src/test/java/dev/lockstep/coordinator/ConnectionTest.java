// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of connections: framing, silence, clients that disconnect and clients that do not read.
final class ConnectionTest {
    private static final String CHAT = "/v1/chat/completions";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    @Test
    void eventsAreSentInChunksOverHttp1() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hello there."));
                    call.finishByLength(0);
                });
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            String head = raw.readUntil("\r\n\r\n");
            assertTrue(head.startsWith("HTTP/1.1 200"), head);
            assertTrue(head.contains("content-type: text/event-stream; charset=utf-8\r\n"), head);
            assertTrue(head.contains("cache-control: no-cache\r\n"), head);
            assertTrue(head.contains("transfer-encoding: chunked\r\n"), head);
            List<JsonNode> events = TestCoordinator.events(raw.readChunkedBody());
            assertEquals("length", events.getLast().at("/choices/0/finish_reason").asText());
        }
    }

    @Test
    void anHttp10ClientGetsALengthAndTheEndOfTheConnection() throws Exception {
        for (String path : new String[] {"/health", "/nope"}) {
            // The library's default is three seconds.
            Fastest.assertWithin(Duration.ofMillis(1500), () -> getByHttp10(path));
        }
    }

    /// Returns the time of a response, including the end of the connection.
    private static Duration getByHttp10(String path) throws Exception {
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            long before = System.nanoTime();
            raw.send("GET " + path + " HTTP/1.0\r\n\r\n");
            String all = raw.readAll();
            String head = all.substring(0, all.indexOf("\r\n\r\n") + 2);
            String body = all.substring(head.length() + 2);
            assertTrue(head.contains("content-length: " + body.length() + "\r\n"), all);
            assertFalse(head.contains("chunked"), all);
            return Duration.ofNanos(System.nanoTime() - before);
        }
    }

    @Test
    void silenceIsFilledWithComments() throws Exception {
        var shortQuiet =
                new Timeouts(
                        Duration.ofMillis(50),
                        TestCoordinator.NEVER,
                        TestCoordinator.NEVER,
                        TestCoordinator.NEVER);
        try (TestCoordinator other = TestCoordinator.start(shortQuiet);
                var raw = new RawConnection(other.coordinator.port())) {
            var silent = new CountDownLatch(1);
            other.scheduler.behave(
                    call -> {
                        silent.await();
                        call.oneByOne(0, other.ids("Hello"));
                        call.finishByLength(0);
                    });
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            raw.readUntil(": keep-alive\n\n");
            silent.countDown();
            String body = raw.readChunkedBody();
            assertTrue(body.startsWith(":"), body);
            assertFalse(TestCoordinator.events(body).isEmpty());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aDisconnectBeforeTheFirstTokenCancelsTheRequestInTheEngine(boolean stream)
            throws Exception {
        tiny.scheduler.behave(FakeScheduler.Call::awaitCancelled);
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":" + stream));
            FakeScheduler.Call call = tiny.scheduler.nextCall();
            raw.disconnect();
            assertTrue(call.awaitCancelled());
        }
    }

    @Test
    void aDisconnectDuringAStreamCancelsTheRequestAtOnce() throws Exception {
        // Some milliseconds are usual; without the watch of the connection it takes a second.
        Fastest.assertWithin(Duration.ofMillis(900), ConnectionTest::disconnectDuringAStream);
    }

    /// Returns the time from the disconnect to the cancel in the engine.
    private static Duration disconnectDuringAStream() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hello"));
                    call.awaitCancelled();
                });
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            raw.readUntil("Hel");
            FakeScheduler.Call call = tiny.scheduler.nextCall();
            long before = System.nanoTime();
            raw.disconnect();
            assertTrue(call.awaitCancelled());
            return Duration.ofNanos(System.nanoTime() - before);
        }
    }

    @Test
    void aClientThatDoesNotReadHoldsBackTheEngineUntilItsRequestIsCancelled() throws Exception {
        int[] many = new int[500];
        Arrays.fill(many, tiny.ids("there")[0]);
        int[] sent = new int[1];
        try (TestCoordinator other = TestCoordinator.start(TestCoordinator.SHORT_TIMEOUTS);
                var raw = new RawConnection(other.coordinator.port(), 4096)) {
            other.scheduler.behave(
                    call -> {
                        while (!call.isCancelled() && sent[0] < 100_000) {
                            call.tokensWhenReady(0, many);
                            sent[0]++;
                        }
                    });
            raw.post(
                    CHAT,
                    TestCoordinator.chatBody(
                            "\"stream\":true,\"logprobs\":true,\"top_logprobs\":5"));
            assertTrue(
                    other.scheduler.nextCall().awaitCancelled(), "the request was not cancelled");
            // Each event is some 150 KB at the client: socket buffers and 32 events hold it back.
            assertTrue(
                    sent[0] < 1000,
                    sent[0] + " events were accepted for a client that does not read");
        }
    }

    /// The pauses of the client together exceed the limit, each stays far below it.
    @Test
    void aSlowClientGetsTheWholeResponse() throws Exception {
        int[] many = new int[150];
        Arrays.fill(many, tiny.ids("there")[0]);
        Duration slowClient = Duration.ofSeconds(3);
        var timeouts =
                new Timeouts(
                        TestCoordinator.NEVER,
                        slowClient,
                        TestCoordinator.NEVER,
                        TestCoordinator.NEVER);
        try (TestCoordinator other = TestCoordinator.start(timeouts);
                var raw = new RawConnection(other.coordinator.port())) {
            var lastSent = new AtomicLong();
            other.scheduler.behave(
                    call -> {
                        for (int i = 0; i < 400; i++) {
                            call.tokensWhenReady(0, many);
                        }
                        lastSent.set(System.nanoTime());
                        call.finishByLength(0);
                    });
            raw.post(
                    CHAT,
                    TestCoordinator.chatBody(
                            "\"stream\":true,\"return_token_ids\":true,"
                                    + "\"logprobs\":true,\"top_logprobs\":5"));
            long start = System.nanoTime();
            for (int i = 0; i < 20; i++) {
                raw.read(400_000);
                Thread.sleep(200);
            }
            String body = raw.readChunkedBody();
            assertTrue(body.contains("\"finish_reason\":\"length\""));
            assertTrue(body.endsWith("data: [DONE]\n\n"));
            int ids = 0;
            // All events at a time would need too much memory.
            for (String event : body.split("\n\n", -1)) {
                int data = event.indexOf("data: {");
                if (data >= 0) {
                    JsonNode json = TestCoordinator.json(event.substring(data + 6));
                    ids += json.at("/choices/0/token_ids").size();
                }
            }
            assertEquals(60_000, ids);
            assertTrue(
                    lastSent.get() - start > slowClient.toNanos(),
                    "buffers took so much that the coordinator did not wait for the client");
        }
    }

    @Test
    void aTooLargeBodyIsRefusedBeforeItArrives() throws Exception {
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.send(
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n{");
            String response = raw.readUntil("body_too_large");
            assertTrue(response.startsWith("HTTP/1.1 413"), response);
        }
    }

    @Test
    void aTooLargeBodyOfUnknownSizeIsRefusedBeforeItsEnd() throws Exception {
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.send(
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (int i = 0; i < 8; i++) {
                raw.send("10000\r\n" + " ".repeat(1 << 16) + "\r\n");
            }
            String response = raw.readUntil("body_too_large");
            assertTrue(response.startsWith("HTTP/1.1 413"), response);
        }
    }

    @Test
    void aBodyThatDoesNotArriveTimesOut() throws Exception {
        try (TestCoordinator other = TestCoordinator.start(TestCoordinator.SHORT_TIMEOUTS);
                var raw = new RawConnection(other.coordinator.port())) {
            raw.send(
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
            String response = raw.readUntil("slow_body");
            assertTrue(response.startsWith("HTTP/1.1 408"), response);
        }
    }

    @Test
    void anInvalidPathGetsTheErrorObject() throws Exception {
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.send("GET /../etc HTTP/1.1\r\nHost: localhost\r\n\r\n");
            String response = raw.readUntil("invalid_request_error");
            assertTrue(response.startsWith("HTTP/1.1 400"), response);
        }
    }

    @Test
    void aFloodOfResetsClosesTheConnection() throws Exception {
        try (var socket = new Socket(InetAddress.getLoopbackAddress(), tiny.coordinator.port())) {
            socket.setSoTimeout((int) Eventually.TIMEOUT.toMillis());
            OutputStream out = socket.getOutputStream();
            out.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            out.write(frame(4, 0, 0, new byte[0]));
            // GET http://localhost/, from the static table.
            var head = new ByteArrayOutputStream();
            head.writeBytes(new byte[] {(byte) 0x82, (byte) 0x86, (byte) 0x84, 0x01, 9});
            head.writeBytes("localhost".getBytes(StandardCharsets.US_ASCII));
            for (int stream = 1; stream < 4000; stream += 2) {
                out.write(frame(1, 5, stream, head.toByteArray()));
                out.write(frame(3, 0, stream, new byte[] {0, 0, 0, 8}));
            }
            out.flush();
            byte[] response = socket.getInputStream().readAllBytes();
            assertTrue(isIn(frame(7, 0, 0, new byte[0]), response), "no GOAWAY frame");
        } catch (SocketException e) {
            // The server closed while the test was sending.
        }
    }

    /// Returns a frame of HTTP/2.
    private static byte[] frame(int type, int flags, int stream, byte[] payload) {
        return ByteBuffer.allocate(9 + payload.length)
                .put((byte) 0)
                .putShort((short) payload.length)
                .put((byte) type)
                .put((byte) flags)
                .putInt(stream)
                .put(payload)
                .array();
    }

    /// Returns whether there is a frame of the type and stream, of any length.
    private static boolean isIn(byte[] frame, byte[] bytes) {
        for (int at = 0; at + 9 <= bytes.length; ) {
            if (Arrays.equals(frame, 3, 9, bytes, at + 3, at + 9)) {
                return true;
            }
            at += 9 + (ByteBuffer.wrap(bytes).getInt(at) >>> 8);
        }
        return false;
    }
}
