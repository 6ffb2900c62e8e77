// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/// Requests to the public port as clients and pages send them.
final class AccessRequests {
    static final String TOKENIZE = "/tokenize";

    static final String BODY = "{\"model\":\"tiny\",\"prompt\":\"a\"}";

    private AccessRequests() {}

    static HttpRequest.Builder request(TestCoordinator to, String path) {
        return HttpRequest.newBuilder(to.uri(path));
    }

    static HttpResponse<String> send(TestCoordinator to, HttpRequest.Builder request)
            throws Exception {
        return to.send(request.build());
    }

    static HttpRequest.Builder tokenize(TestCoordinator to) {
        return request(to, TOKENIZE).POST(HttpRequest.BodyPublishers.ofString(BODY));
    }

    static String header(HttpResponse<String> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    /// Sends a request with a Host header, which the JDK's client does not allow.
    static String status(TestCoordinator to, String method, String host, String more)
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
}
