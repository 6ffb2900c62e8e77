// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of HTTP/1.0 clients, and of clients that close their side of the connection early.
final class Http1ConnectionTest {
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

    private static RawConnection connect() throws Exception {
        return new RawConnection(tiny.coordinator.port());
    }

    private static void respondWith(String text) {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids(text));
                    call.finishByLength(0);
                });
    }

    private static String head(String response) {
        return response.substring(0, response.indexOf("\r\n\r\n") + 2);
    }

    private static String body(String response) {
        return response.substring(response.indexOf("\r\n\r\n") + 4);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1.0", "1.0\r\nConnection: keep-alive"})
    void aStreamOverHttp10HasNoChunksAndEndsWithTheConnection(String version) throws Exception {
        respondWith("Hello there.");
        try (RawConnection raw = connect()) {
            raw.post(CHAT, version, TestCoordinator.chatBody("\"stream\":true"));
            String response = raw.readAll();
            assertTrue(response.startsWith("HTTP/1.1 200 OK\r\n"), response);
            assertFalse(head(response).contains("transfer-encoding"), response);
            assertTrue(head(response).contains("connection: close\r\n"), response);
            List<JsonNode> events = TestCoordinator.events(body(response));
            assertEquals("length", events.getLast().at("/choices/0/finish_reason").asText());
        }
    }

    @Test
    void anHttp10ClientMayKeepItsConnectionAfterAResponseWithALength() throws Exception {
        try (RawConnection raw = connect()) {
            for (int i = 0; i < 2; i++) {
                raw.send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
                String response = raw.readUntil("{\"status\":\"ok\"}");
                assertTrue(response.contains("connection: keep-alive\r\n"), response);
                raw.forget();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1.1, true", "1.1, false", "1.0, true", "1.0, false"})
    void aClientThatClosesItsSideGetsItsResponse(String version, boolean stream) throws Exception {
        var closed = new CountDownLatch(1);
        tiny.scheduler.behave(
                call -> {
                    closed.await();
                    call.oneByOne(0, tiny.ids("Hello there."));
                    call.finishByLength(0);
                });
        try (RawConnection raw = connect()) {
            raw.post(CHAT, version, TestCoordinator.chatBody("\"stream\":" + stream));
            raw.endOutput();
            // The first byte arrives when the server has seen the end of the input.
            raw.readUntil("H");
            closed.countDown();
            String response = raw.readAll();
            assertTrue(response.startsWith("HTTP/1.1 200 OK\r\n"), response);
            if (!stream) {
                JsonNode whole = TestCoordinator.json(body(response));
                assertEquals("length", whole.at("/choices/0/finish_reason").asText());
            } else if (version.equals("1.0")) {
                assertFalse(TestCoordinator.events(body(response)).isEmpty());
            } else {
                assertFalse(TestCoordinator.events(raw.readChunkedBody()).isEmpty());
            }
        }
    }

    @Test
    void aClientMayCloseItsSideDuringAStream() throws Exception {
        var closed = new CountDownLatch(1);
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hello"));
                    closed.await();
                    call.oneByOne(0, tiny.ids(" there."));
                    call.finishByLength(0);
                });
        try (RawConnection raw = connect()) {
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            raw.readUntil("Hel");
            raw.endOutput();
            raw.readUntil(HttpExchange.COMMENT);
            closed.countDown();
            raw.readAll();
            assertFalse(TestCoordinator.events(raw.readChunkedBody()).isEmpty());
        }
    }

    @Test
    void requestsInARowAreAllServedAfterTheClientHasClosedItsSide() throws Exception {
        try (RawConnection raw = connect()) {
            raw.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3));
            raw.endOutput();
            assertEquals(3, raw.readAll().split("HTTP/1.1 200 OK", -1).length - 1);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aClientThatClosesItsSideAndThenDisconnectsCancelsTheRequest(boolean stream)
            throws Exception {
        tiny.scheduler.behave(FakeScheduler.Call::awaitCancelled);
        try (RawConnection raw = connect()) {
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":" + stream));
            FakeScheduler.Call call = tiny.scheduler.nextCall();
            raw.endOutput();
            raw.readUntil("H");
            assertFalse(call.isCancelled());
            raw.disconnect();
            assertTrue(call.awaitCancelled());
        }
    }

    @Test
    void anIncompleteRequestEndsWithTheInput() throws Exception {
        try (RawConnection raw = connect()) {
            raw.send(
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{");
            raw.endOutput();
            raw.readAll();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "GE", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /livez HTTP/1.1\r\nHo"})
    void aConnectionWithoutARequestEndsWithTheInput(String sent) throws Exception {
        try (RawConnection raw = connect()) {
            raw.send(sent);
            raw.endOutput();
            raw.readAll();
        }
    }

    @Test
    void idleConnectionsAreClosedAfterTheKeepAliveTime() throws Exception {
        try (TestCoordinator other = TestCoordinator.startWith("--keep-alive=1s");
                var raw = new RawConnection(other.coordinator.port())) {
            raw.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assertTrue(raw.readAll().startsWith("HTTP/1.1 200 OK"));
        }
    }

    @Test
    void theKeepAliveTimeIsTheServersLimitOfIdleConnections() {
        assertEquals(TimeUnit.SECONDS.toMillis(75), tiny.coordinator.idleTimeout().toMillis());
    }
}
