// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.process.StopReason;
import dev.lockstep.cluster.process.Version;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of paths, methods, headers and the encoding of bodies.
final class RoutesTest {
    private static final String BODY = "{\"model\":\"tiny\",\"prompt\":\"Hello\"}";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static HttpResponse<String> send(String method, String path) throws Exception {
        return tiny.send(
                HttpRequest.newBuilder(tiny.uri(path))
                        .method(method, HttpRequest.BodyPublishers.noBody())
                        .build());
    }

    private static HttpResponse<String> tokenize(String encoding, byte[] body) throws Exception {
        return tiny.send(
                HttpRequest.newBuilder(tiny.uri("/tokenize"))
                        .header("Content-Encoding", encoding)
                        .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                        .build());
    }

    private static String header(HttpResponse<String> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    private static String code(HttpResponse<String> response) {
        return TestCoordinator.json(response.body()).at("/error/code").asText();
    }

    @ParameterizedTest
    @CsvSource({
        "/v1/models, application/json; charset=utf-8",
        "/metrics, text/plain; version=0.0.4; charset=utf-8",
        "/nothing, application/json; charset=utf-8"
    })
    void everyResponseNamesItsCharset(String path, String type) throws Exception {
        assertEquals(type, header(tiny.get(path), "content-type"));
    }

    @Test
    void aStreamNamesItsCharset() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("é入"));
                    call.finishByLength(0);
                });
        HttpResponse<String> response =
                tiny.post("/v1/chat/completions", TestCoordinator.chatBody("\"stream\":true"));
        assertEquals("text/event-stream; charset=utf-8", header(response, "content-type"));
    }

    @ParameterizedTest
    @CsvSource({
        "/v1/models/tiny, 200, ",
        "/v1/models/tiny/, 200, ",
        "/v1/models/, 200, ",
        "//v1//models, 200, ",
        "/v1/models/t%69ny, 200, ",
        "/v1/models/org/name, 404, model_not_found",
        "/v1/models/org%2Fname, 404, model_not_found",
        "/v1/models/a%20b+c, 404, model_not_found",
        "/v1/model, 404, unknown_url",
        "/etc, 404, unknown_url"
    })
    void modelsAreFoundByName(String path, int status, String code) throws Exception {
        HttpResponse<String> response = tiny.get(path);
        assertEquals(status, response.statusCode(), response.body());
        if (code != null) {
            assertEquals(code, code(response));
        }
    }

    @Test
    void aModelWithASlashInItsNameIsFound() throws Exception {
        ServedModel named = Models.named(tiny.model, "org/na me+1");
        var other =
                new Coordinator(
                        TestCoordinator.config(Path.of("unused"), 0),
                        TestCoordinator.ACCESS,
                        CompletableFuture.completedFuture(named),
                        TestCoordinator.LONG_TIMEOUTS);
        try {
            for (String path : new String[] {"org/na%20me+1", "org%2Fna%20me%2B1"}) {
                URI uri = URI.create("http://127.0.0.1:" + other.port() + "/v1/models/" + path);
                String body =
                        tiny.client
                                .send(
                                        HttpRequest.newBuilder(uri).build(),
                                        HttpResponse.BodyHandlers.ofString())
                                .body();
                assertEquals("org/na me+1", TestCoordinator.json(body).path("id").asText(), body);
            }
        } finally {
            other.stop(StopReason.FINISHED);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1/models/%", "/v1/models/%zz", "/v1/models/a%2", "/%zz", "/v1/%"})
    void invalidPercentEncodingIsTheClientsMistake(String path) throws Exception {
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
            String response = raw.readUntil("invalid_request_error");
            assertTrue(response.matches("(?s)HTTP/1.1 40[04] .*"), response);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "http://localhost/v1/models, 200",
        "HTTP://localhost:8000/v1/models?x=y, 200",
        "http://localhost, 200",
        "http://localhost?x=y, 200",
        "http://localhost/../etc, 400",
        "nothing, 400"
    })
    void aRequestTargetMayBeAbsolute(String target, String status) throws Exception {
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
            String head = raw.readUntil("\r\n\r\n");
            assertTrue(head.startsWith("HTTP/1.1 " + status), head);
        }
    }

    @Test
    void aPostMayHaveAnAbsoluteTarget() throws Exception {
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.post("http://localhost/tokenize", BODY);
            assertTrue(raw.readUntil("\"count\"").startsWith("HTTP/1.1 200"));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "/v1/models, DELETE, 'GET, HEAD, OPTIONS'",
        "/v1/models/tiny, DELETE, 'GET, HEAD, OPTIONS'",
        "/health, PUT, 'GET, HEAD, OPTIONS'",
        "/v1/chat/completions, GET, 'POST, OPTIONS'",
        "/tokenize/, HEAD, 'POST, OPTIONS'"
    })
    void anotherMethodIsRefusedWithThePossibleOnes(String path, String method, String allowed)
            throws Exception {
        HttpResponse<String> response = send(method, path);
        assertEquals(405, response.statusCode());
        assertEquals(allowed, header(response, "allow"));
        HttpResponse<String> options = send("OPTIONS", path);
        assertEquals(204, options.statusCode());
        assertEquals(allowed, header(options, "allow"));
        assertEquals("", options.body());
    }

    @Test
    void headIsGetWithoutTheBody() throws Exception {
        for (String path : new String[] {"/v1/models", "/health", "/version", "/nothing"}) {
            HttpResponse<String> get = tiny.get(path);
            HttpResponse<String> head = send("HEAD", path);
            assertEquals(get.statusCode(), head.statusCode());
            assertEquals(header(get, "content-length"), header(head, "content-length"));
            assertEquals("", head.body());
        }
    }

    @Test
    void aSlashAfterARouteIsAccepted() throws Exception {
        for (String path : new String[] {"/tokenize", "/tokenize/"}) {
            assertEquals(200, tiny.post(path, BODY).statusCode());
        }
        assertEquals(200, tiny.get("/health/").statusCode());
    }

    @Test
    void theVersionIsShown() throws Exception {
        JsonNode version = TestCoordinator.json(tiny.get("/version").body());
        assertEquals(Version.TEXT, version.get("version").asText());
    }

    @Test
    void theTokenizersSettingsAreShown() throws Exception {
        JsonNode info = TestCoordinator.json(tiny.get("/tokenizer_info").body());
        assertTrue(info.get("tokenizer_class").isTextual(), info.toString());
        assertTrue(info.get("eos_token").isTextual(), info.toString());
        assertTrue(info.get("chat_template").asText().contains("messages"), info.toString());
    }

    @Test
    void readinessShowsNothingOfTheCluster() throws Exception {
        try (TestCoordinator other = TestCoordinator.start()) {
            String secret = "worker 0 at 10.1.2.3:4567 (pid 89) lost /run/lockstep";
            other.scheduler.unready(secret);
            other.awaitReady(false);
            for (String path : new String[] {"/readyz", "/health"}) {
                HttpResponse<String> response = other.get(path);
                assertEquals(503, response.statusCode());
                JsonNode error = TestCoordinator.json(response.body()).get("error");
                assertEquals("no group is ready", error.get("message").asText());
            }
        }
    }

    private interface Compression {
        OutputStream to(OutputStream out) throws IOException;
    }

    private static byte[] compressed(String text, Compression compression) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (OutputStream out = compression.to(bytes)) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    private static byte[] gzip(String text) throws IOException {
        return compressed(text, GZIPOutputStream::new);
    }

    @Test
    void compressedBodiesAreDecoded() throws Exception {
        String expected = tiny.post("/tokenize", BODY).body();
        byte[] gzip = gzip(BODY);
        byte[] zlib = compressed(BODY, DeflaterOutputStream::new);
        byte[] bare = compressed(BODY, out -> new DeflaterOutputStream(out, new Deflater(6, true)));
        assertEquals(expected, tokenize("gzip", gzip).body());
        assertEquals(expected, tokenize("X-GZip", gzip).body());
        assertEquals(expected, tokenize("deflate", zlib).body());
        assertEquals(expected, tokenize("deflate", bare).body());
        assertEquals(expected, tokenize("identity", BODY.getBytes(StandardCharsets.UTF_8)).body());
    }

    @Test
    void aBodyIsLimitedByItsDecodedSize() throws Exception {
        String text = "{\"model\":\"tiny\",\"prompt\":\"" + " ".repeat(TestCoordinator.MAX_BODY);
        byte[] bomb = gzip(text + "\"}");
        assertTrue(bomb.length < 1000);
        HttpResponse<String> refused = tokenize("gzip", bomb);
        assertEquals(413, refused.statusCode());
        assertEquals("body_too_large", code(refused));
        assertTrue(refused.body().contains("after decoding"), refused.body());
        String end = "\"}";
        String whole = text.substring(0, TestCoordinator.MAX_BODY - end.length()) + end;
        assertEquals(200, tokenize("gzip", gzip(whole)).statusCode());
        // The memory of refused bodies is released.
        for (int i = 0; i < 20; i++) {
            assertEquals(413, tokenize("gzip", bomb).statusCode());
        }
        assertEquals(200, tokenize("gzip", gzip(BODY)).statusCode());
    }

    @Test
    void aBodyThatCannotBeDecodedIsRefused() throws Exception {
        byte[] plain = BODY.getBytes(StandardCharsets.UTF_8);
        byte[] gzip = gzip(BODY);
        byte[] cut = Arrays.copyOf(gzip, gzip.length - 9);
        for (byte[] wrong : new byte[][] {plain, cut}) {
            HttpResponse<String> refused = tokenize("gzip", wrong);
            assertEquals(400, refused.statusCode());
            assertEquals("broken_body", code(refused));
        }
        HttpResponse<String> unknown = tokenize("br", plain);
        assertEquals(415, unknown.statusCode());
        assertEquals("unsupported_encoding", code(unknown));
        assertFalse(unknown.body().contains("500"));
    }
}
