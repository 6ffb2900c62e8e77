// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class AdminServerTest {
    private final DebugState state = new DebugState();
    private final AdminServer server = new AdminServer("a process", 0, state);
    private final HttpClient client = HttpClient.newHttpClient();

    private record Queue(int waitingSequences, List<String> ids) {}

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    private HttpResponse<String> send(String method, String path) throws Exception {
        return client.send(
                HttpRequest.newBuilder(
                                URI.create("http://localhost:%d%s".formatted(server.port(), path)))
                        .method(method, HttpRequest.BodyPublishers.noBody())
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private JsonNode read() throws Exception {
        HttpResponse<String> response = send("GET", "/debug/state");
        assertEquals(200, response.statusCode(), response::body);
        return new ObjectMapper().readTree(response.body());
    }

    @Test
    void everyPartIsAskedAtEachLook() throws Exception {
        var looks = new AtomicInteger();
        state.add("queue", () -> new Queue(looks.incrementAndGet(), List.of("a", "b")));
        assertEquals(1, read().at("/queue/waiting_sequences").asInt());
        JsonNode second = read();
        assertEquals(2, second.at("/queue/waiting_sequences").asInt());
        assertEquals("b", second.at("/queue/ids/1").asText());
    }

    @Test
    void theProcessTellsWhatItUses() throws Exception {
        JsonNode process = read().path("process");
        assertEquals("a process", process.path("name").asText());
        assertEquals(ProcessHandle.current().pid(), process.path("pid").asLong());
        assertTrue(process.at("/descriptors/open").asLong() > 0, process::toString);
        assertTrue(process.at("/memory/resident").asLong() > 1 << 20, process::toString);
        assertTrue(process.at("/memory/heap_used").asLong() > 1 << 20, process::toString);
        assertTrue(
                process.path("threads").findValuesAsText("name").contains("main"),
                process::toString);
    }

    @Test
    void otherPathsAndMethodsAreRefused() throws Exception {
        assertEquals(404, send("GET", "/debug/state/more").statusCode());
        assertEquals(404, send("GET", "/").statusCode());
        HttpResponse<String> post = send("POST", "/debug/state");
        assertEquals(405, post.statusCode());
        assertEquals("GET", post.headers().firstValue("Allow").orElseThrow());
    }

    /// A page of a browser reaches the port under a name of its own.
    @Test
    void aHostThatIsNotTheLoopbackAddressIsRefused() throws Exception {
        try (var socket = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
            socket.getOutputStream()
                    .write(
                            "GET /debug/state HTTP/1.1\r\nHost: a.example:80\r\n\r\n"
                                    .getBytes(US_ASCII));
            byte[] line = socket.getInputStream().readNBytes(12);
            assertEquals("HTTP/1.1 403", new String(line, US_ASCII));
        }
    }

    @Test
    void aPortThatIsTakenIsSaidInOneLine() {
        UncheckedIOException taken =
                assertThrows(
                        UncheckedIOException.class,
                        () -> new AdminServer("another", server.port(), state));
        String message = taken.getMessage() + "";
        assertTrue(
                message.startsWith("cannot listen on ")
                        && message.endsWith("; choose another --admin-port"),
                message);
    }
}
