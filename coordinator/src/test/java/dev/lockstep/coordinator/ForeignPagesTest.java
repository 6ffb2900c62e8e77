// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of requests under names of other hosts, and of pages of other sites.
final class ForeignPagesTest {
    private static final String KEY = "sk-first";
    private static final String PAGE = "https://app.example";

    /// Needs a key, and serves one page.
    private static TestCoordinator locked;

    /// Has the default settings.
    private static TestCoordinator plain;

    @BeforeAll
    static void start() throws Exception {
        locked =
                TestCoordinator.startWith(
                        "--api-key=" + KEY,
                        "--cors-origins=" + PAGE + ",http://other.example:81",
                        "--allowed-hosts=api.example");
        plain = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        locked.close();
        plain.close();
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
        assertEquals(status, AccessRequests.status(plain, "GET", host, ""));
        assertEquals(status, AccessRequests.status(plain, "POST", host, ""));
    }

    @Test
    void furtherNamesOfTheServerAreAccepted() throws Exception {
        String key = "\r\nAuthorization: Bearer " + KEY;
        assertEquals("200", AccessRequests.status(locked, "GET", "API.example:443", key));
        assertEquals("403", AccessRequests.status(locked, "GET", "other.example", key));
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
            assertEquals(status, AccessRequests.status(plain, "POST", "localhost", more));
            assertEquals("200", AccessRequests.status(plain, "GET", "localhost", more));
        }
        HttpResponse<String> response =
                AccessRequests.send(plain, AccessRequests.tokenize(plain).header("Origin", origin));
        assertEquals(Integer.parseInt(status), response.statusCode());
        assertEquals("", AccessRequests.header(response, "access-control-allow-origin"));
    }

    @Test
    void aRefusedPageIsToldWhy() throws Exception {
        HttpResponse<String> response =
                AccessRequests.send(
                        plain,
                        AccessRequests.tokenize(plain).header("Origin", "https://evil.example"));
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals("origin_not_allowed", error.get("code").asText());
        String message = error.get("message").asText();
        assertTrue(message.contains("https://evil.example"), message);
        assertTrue(message.contains("--cors-origins"), message);
    }

    @Test
    void configuredPagesAskAndPost() throws Exception {
        HttpResponse<String> asked =
                AccessRequests.send(
                        locked,
                        AccessRequests.request(locked, "/v1/chat/completions")
                                .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                                .header("Origin", PAGE)
                                .header("Access-Control-Request-Method", "POST")
                                .header(
                                        "Access-Control-Request-Headers",
                                        "authorization,content-type,x-stainless-os"));
        assertEquals(200, asked.statusCode());
        assertEquals(PAGE, AccessRequests.header(asked, "access-control-allow-origin"));
        assertTrue(AccessRequests.header(asked, "access-control-allow-methods").contains("POST"));
        assertEquals(
                "authorization,content-type,x-stainless-os",
                AccessRequests.header(asked, "access-control-allow-headers"));

        HttpResponse<String> served =
                AccessRequests.send(
                        locked,
                        AccessRequests.tokenize(locked)
                                .header("Origin", PAGE)
                                .header("Authorization", "Bearer " + KEY));
        assertEquals(200, served.statusCode());
        assertEquals(PAGE, AccessRequests.header(served, "access-control-allow-origin"));
        assertTrue(
                AccessRequests.header(served, "access-control-expose-headers")
                        .contains("x-request-id"));

        // The page can read the error, too.
        HttpResponse<String> refused =
                AccessRequests.send(locked, AccessRequests.tokenize(locked).header("Origin", PAGE));
        assertEquals(401, refused.statusCode());
        assertEquals(PAGE, AccessRequests.header(refused, "access-control-allow-origin"));
    }

    @Test
    void otherPagesGetNoPermission() throws Exception {
        HttpResponse<String> asked =
                AccessRequests.send(
                        locked,
                        AccessRequests.request(locked, AccessRequests.TOKENIZE)
                                .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                                .header("Origin", "https://evil.example")
                                .header("Access-Control-Request-Method", "POST"));
        assertEquals("", AccessRequests.header(asked, "access-control-allow-origin"));
        HttpResponse<String> refused =
                AccessRequests.send(
                        locked,
                        AccessRequests.tokenize(locked)
                                .header("Origin", "https://evil.example")
                                .header("Authorization", "Bearer " + KEY));
        assertEquals(403, refused.statusCode());
        assertEquals("", AccessRequests.header(refused, "access-control-allow-origin"));
    }

    @Test
    void everyPageMayBeAllowed() throws Exception {
        try (TestCoordinator any =
                TestCoordinator.startWith("--cors-origins=*", "--allowed-hosts=*")) {
            HttpResponse<String> response =
                    AccessRequests.send(
                            any,
                            AccessRequests.tokenize(any).header("Origin", "https://any.example"));
            assertEquals(200, response.statusCode());
            assertEquals("*", AccessRequests.header(response, "access-control-allow-origin"));
            assertEquals(
                    "200", AccessRequests.status(any, "POST", "any.example", "\r\nOrigin: null"));
        }
    }
}
