// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.cli.console.UnusableException;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// Requests to a hub about one model, each repeated until it succeeds or its attempts are used up.
/// The creator closes it. Safe for any number of threads.
final class HubClient implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern SAFE_PATH =
            Pattern.compile(
                    "[\\w][\\w .+=-]*(/[\\w][\\w .+=-]*)*", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern SAFE_HASH = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,127}");

    private final HubConfig config;
    private final HubName model;
    private final HubPause pause;
    private final HubHttp http;

    HubClient(HubConfig config, HubName model, HubPause pause) {
        this.config = config;
        this.model = model;
        this.pause = pause;
        this.http = new HubHttp(config);
    }

    /// The current content of a revision.
    ///
    /// @param files names of all its files
    record Listing(String commit, Set<String> files) {}

    /// A file of a commit.
    ///
    /// @param hash identifies its content: a SHA-256, the SHA-1 of a git blob, or a value of the
    ///   server's own form
    /// @param bytes its size; negative if the hub does not report it
    record RemoteFile(String commit, String name, String hash, long bytes) {}

    /// The bytes of a file from `start`. The caller closes it.
    record Body(InputStream in, long start) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            in.close();
        }
    }

    /// Thrown when a file changed after its download began.
    static final class ChangedException extends IOException {
        private static final long serialVersionUID = 1L;

        ChangedException(String message) {
            super(message);
        }
    }

    Listing list() throws IOException, InterruptedException {
        URI uri =
                uri(
                        "/api/models/%s/revision/%s"
                                .formatted(model.repository(), encoded(model.revision())));
        return pause.retry(
                () -> {
                    HubHttp.Response response = http.send("GET", uri, Map.of(), Map.of(), true);
                    try (InputStream body = response.last().body()) {
                        requireOk(response, "");
                        JsonNode json = json(uri, body);
                        String commit = json.path("sha").asText();
                        Set<String> files = new TreeSet<>();
                        for (JsonNode sibling : json.path("siblings")) {
                            String name = sibling.path("rfilename").asText();
                            if (SAFE_PATH.matcher(name).matches()) {
                                files.add(name);
                            }
                        }
                        if (!SAFE_HASH.matcher(commit).matches()) {
                            throw notAHub(uri, "names no commit");
                        }
                        return new Listing(commit, files);
                    }
                });
    }

    /// Requests the properties of a file, without its bytes.
    RemoteFile head(String commit, String name) throws IOException, InterruptedException {
        return pause.retry(
                () -> {
                    URI uri = fileUri(commit, name);
                    HubHttp.Response response = http.send("HEAD", uri, Map.of(), Map.of(), false);
                    if (response.status() == 405 || response.status() == 501) {
                        response.drop();
                        response = http.send("GET", uri, Map.of(), Map.of(), false);
                    }
                    if (response.isRedirect() && hash(response).isEmpty()) {
                        response.drop();
                        response = http.send("HEAD", uri, Map.of(), Map.of(), true);
                    }
                    try (InputStream _ = response.last().body()) {
                        requireOk(response, name);
                        String hash = hash(response);
                        if (!SAFE_HASH.matcher(hash).matches()) {
                            throw notAHub(uri, "has no ETag that names its content");
                        }
                        return new RemoteFile(commit, name, hash, bytes(response));
                    }
                });
    }

    /// Opens a file at a position, or at its beginning if the server does not support ranges. Makes
    /// one attempt only: the caller keeps the bytes received before a failure.
    Body open(RemoteFile file, long start) throws IOException, InterruptedException {
        URI uri = fileUri(file.commit(), file.name());
        boolean whole = start == 0;
        // Another host may have other ETags; the hash of the whole file decides.
        HubHttp.Response response =
                http.send(
                        "GET",
                        uri,
                        whole ? Map.of() : Map.of("Range", "bytes=" + start + "-"),
                        whole ? Map.of() : Map.of("If-Range", "\"" + file.hash() + "\""),
                        true);
        boolean opened = false;
        try {
            if (response.status() == 416 && !whole) {
                response.drop();
                return open(file, 0);
            }
            requireOk(response, file.name());
            String hash = hash(response);
            if (!hash.isEmpty() && !hash.equals(file.hash())) {
                throw new ChangedException(
                        "%s of %s changed during its download".formatted(file.name(), model));
            }
            boolean resumes =
                    !whole
                            && response.status() == 206
                            && response.last()
                                    .headers()
                                    .firstValue("Content-Range")
                                    .filter(range -> range.startsWith("bytes " + start + "-"))
                                    .isPresent();
            if (response.status() == 206 && !whole && !resumes) {
                response.drop();
                return open(file, 0);
            }
            opened = true;
            return new Body(
                    new WatchedStream(response.last().body(), config.timeouts().silence()),
                    resumes ? start : 0);
        } finally {
            if (!opened) {
                response.drop();
            }
        }
    }

    /// Returns the description of a failure, for the user.
    static String reason(IOException failure) {
        if (failure instanceof HttpTimeoutException) {
            return "no response in time";
        }
        if (failure instanceof ConnectException) {
            return "no connection";
        }
        return failure.getMessage() == null
                ? failure.getClass().getSimpleName().replace("Exception", "")
                : failure.getMessage();
    }

    private static JsonNode json(URI uri, InputStream body) throws IOException {
        try {
            return JSON.readTree(body);
        } catch (JsonProcessingException e) {
            throw notAHub(uri, "is not JSON");
        }
    }

    private static String hash(HubHttp.Response response) {
        return response.header("X-Linked-Etag")
                .or(() -> response.header("ETag"))
                .map(tag -> tag.replaceFirst("^W/", "").replace("\"", ""))
                .orElse("");
    }

    private static long bytes(HubHttp.Response response) {
        return response.header("X-Linked-Size")
                .filter(size -> size.matches("[0-9]{1,18}"))
                .map(Long::valueOf)
                .orElseGet(() -> response.isRedirect() ? -1 : response.lastLength().orElse(-1));
    }

    private void requireOk(HubHttp.Response response, String file) throws IOException {
        int status = response.status();
        if (status / 100 == 2 || response.isRedirect()) {
            return;
        }
        // A storage host refuses an expired link; the next attempt gets a new one from the hub.
        if (status >= 500 || status == 429 || status == 408 || !http.isHub(response.last().uri())) {
            throw new HubBusyException(
                    response.last().uri().getHost(),
                    status,
                    RetryAfter.of(response.last().headers(), Instant.now()));
        }
        throw new UnusableException(
                new HubRefusal(config, model, file)
                        .line(status, response.header("X-Error-Code").orElse("")));
    }

    private static UnusableException notAHub(URI uri, String why) {
        return new UnusableException(
                "the response of %s %s: set HF_ENDPOINT to a hub".formatted(uri, why));
    }

    private URI fileUri(String commit, String name) {
        return uri("/%s/resolve/%s/%s".formatted(model.repository(), commit, encodedPath(name)));
    }

    private URI uri(String path) {
        return URI.create(config.endpoint() + path);
    }

    private static String encodedPath(String path) {
        return Arrays.stream(path.split("/"))
                .map(HubClient::encoded)
                .collect(Collectors.joining("/"));
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    @Override
    public void close() {
        http.close();
    }
}
