// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;

/// A hub with one model on one port of this host, and its storage host on another port, with
/// configurable faults.
final class HubServer implements AutoCloseable {
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    /// A request that the hub or its storage received.
    record Received(
            boolean ofHub, String method, String path, Optional<String> token, String range) {}

    final List<Received> requests = new CopyOnWriteArrayList<>();
    final Map<String, byte[]> files = new ConcurrentSkipListMap<>();

    /// The bytes to send in place of a file's content, by name.
    final Map<String, byte[]> delivered = new ConcurrentHashMap<>();

    /// The number of storage responses to break, and the number of bytes before each break.
    final AtomicInteger breaks = new AtomicInteger();

    volatile int breakAfter;
    volatile boolean hangs;
    volatile boolean supportsRanges = true;
    volatile boolean supportsHead = true;

    /// Called before a connection breaks, with the position in the file up to which bytes were
    /// sent.
    volatile IntConsumer afterBreak = position -> {};

    /// The number of requests to answer with `busyStatus` first: of the hub and of its storage.
    final AtomicInteger busy = new AtomicInteger();

    final AtomicInteger storageBusy = new AtomicInteger();
    volatile int busyStatus = 503;
    volatile String retryAfter = "";

    /// The host name of the storage in the hub's redirects.
    volatile String storageHost = "127.0.0.1";

    /// The path whose requests get the status `refusal`.
    volatile String refusedPath = "/nothing";

    volatile int refusal;
    volatile String errorCode = "";

    private final String model;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final HttpServer hub;
    private final HttpServer storage;

    HubServer(String model) throws IOException {
        this.model = model;
        this.hub = listen(this::hub);
        this.storage = listen(this::storage);
    }

    private HttpServer listen(com.sun.net.httpserver.HttpHandler handler) throws IOException {
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", handler);
        server.setExecutor(threads);
        server.start();
        return server;
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + hub.getAddress().getPort());
    }

    /// Returns whether the bytes of a file come from storage.
    static boolean isLarge(String name) {
        return name.endsWith(".safetensors") || name.endsWith(".gguf");
    }

    void put(String name, String content) {
        files.put(name, content.getBytes(StandardCharsets.UTF_8));
    }

    /// Returns the SHA-256 of a large file, the git blob's SHA-1 of another.
    static String hash(String name, byte[] content) {
        return isLarge(name)
                ? digest("SHA-256", content)
                : digest(
                        "SHA-1",
                        ("blob " + content.length + "\0").getBytes(StandardCharsets.UTF_8),
                        content);
    }

    List<Received> requests(String method, boolean ofHub) {
        return requests.stream()
                .filter(each -> each.ofHub() == ofHub && each.method().equals(method))
                .toList();
    }

    private void hub(HttpExchange exchange) throws IOException {
        addRequest(exchange, true);
        String path = exchange.getRequestURI().getPath();
        String raw = exchange.getRequestURI().getRawPath();
        if (takeOne(busy)) {
            answerBusy(exchange);
        } else if (path.startsWith(refusedPath)) {
            exchange.getResponseHeaders().set("X-Error-Code", errorCode);
            answer(exchange, refusal, new byte[0]);
        } else if (raw.startsWith("/api/models/" + model + "/revision/")) {
            answer(exchange, 200, listing());
        } else if (path.startsWith("/" + model + "/resolve/" + COMMIT + "/")) {
            file(exchange, path.substring(("/" + model + "/resolve/" + COMMIT + "/").length()));
        } else {
            answer(exchange, 404, new byte[0]);
        }
    }

    private void file(HttpExchange exchange, String name) throws IOException {
        byte[] content = files.getOrDefault(name, new byte[0]);
        Headers headers = exchange.getResponseHeaders();
        if (exchange.getRequestMethod().equals("HEAD") && !supportsHead) {
            answer(exchange, 405, new byte[0]);
        } else if (isLarge(name)) {
            headers.set("X-Linked-Etag", "\"" + hash(name, content) + "\"");
            headers.set("X-Linked-Size", "" + content.length);
            headers.set("ETag", "\"the redirect's own\"");
            headers.set(
                    "Location",
                    "http://%s:%d/%s".formatted(storageHost, storage.getAddress().getPort(), name));
            answer(exchange, 302, new byte[0]);
        } else {
            headers.set("ETag", "W/\"" + hash(name, content) + "\"");
            answer(exchange, 200, delivered.getOrDefault(name, content));
        }
    }

    private void storage(HttpExchange exchange) throws IOException {
        addRequest(exchange, false);
        if (takeOne(storageBusy)) {
            answerBusy(exchange);
            return;
        }
        String name = exchange.getRequestURI().getPath().substring(1);
        byte[] content = delivered.getOrDefault(name, files.getOrDefault(name, new byte[0]));
        String range = exchange.getRequestHeaders().getFirst("Range");
        exchange.getResponseHeaders().set("ETag", "\"storage's own\"");
        int start = 0;
        if (range != null && supportsRanges) {
            start = Integer.parseInt(range.replaceAll("[^0-9]", ""));
            exchange.getResponseHeaders()
                    .set(
                            "Content-Range",
                            "bytes %d-%d/%d".formatted(start, content.length - 1, content.length));
        }
        byte[] part = Arrays.copyOfRange(content, start, content.length);
        if (!takeOne(breaks)) {
            answer(exchange, start > 0 ? 206 : 200, part);
            return;
        }
        exchange.sendResponseHeaders(start > 0 ? 206 : 200, part.length);
        int sent = Math.min(breakAfter, part.length - 1);
        exchange.getResponseBody().write(part, 0, sent);
        exchange.getResponseBody().flush();
        afterBreak.accept(start + sent);
        if (!hangs) {
            exchange.close();
        }
    }

    private static boolean takeOne(AtomicInteger left) {
        return left.getAndUpdate(count -> Math.max(0, count - 1)) > 0;
    }

    private void answerBusy(HttpExchange exchange) throws IOException {
        if (!retryAfter.isEmpty()) {
            exchange.getResponseHeaders().set("Retry-After", retryAfter);
        }
        answer(exchange, busyStatus, new byte[0]);
    }

    private byte[] listing() throws IOException {
        ObjectNode json = new ObjectMapper().createObjectNode().put("sha", COMMIT);
        ArrayNode siblings = json.putArray("siblings");
        files.keySet().forEach(name -> siblings.addObject().put("rfilename", name));
        return new ObjectMapper().writeValueAsBytes(json);
    }

    private void addRequest(HttpExchange exchange, boolean ofHub) {
        Headers headers = exchange.getRequestHeaders();
        requests.add(
                new Received(
                        ofHub,
                        exchange.getRequestMethod(),
                        exchange.getRequestURI().getRawPath(),
                        Optional.ofNullable(headers.getFirst("Authorization")),
                        Optional.ofNullable(headers.getFirst("Range")).orElse("")));
    }

    private static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
        try (exchange) {
            if (exchange.getRequestMethod().equals("HEAD")) {
                exchange.getResponseHeaders().set("Content-Length", "" + body.length);
                exchange.sendResponseHeaders(status, -1);
            } else {
                exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
                exchange.getResponseBody().write(body);
            }
        }
    }

    private static String digest(String algorithm, byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            for (byte[] part : parts) {
                digest.update(part);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        hub.stop(0);
        storage.stop(0);
        threads.shutdownNow();
    }
}
