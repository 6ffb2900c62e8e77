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

/// What a hub is asked about one model, each question until it is answered or timeouts ends. Closed
/// by whoever opened it. Safe for any number of threads.
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

    /// What a revision is now.
    ///
    /// @param files names of all its files
    record Listing(String commit, Set<String> files) {}

    /// A file of a commit.
    ///
    /// @param hash names its content; a SHA-256, a git blob's SHA-1 or the server's own
    /// @param bytes negative when the hub does not tell
    record RemoteFile(String commit, String name, String hash, long bytes) {}

    /// A file's bytes from `start` on, closed by whoever asked.
    record Body(InputStream in, long start) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            in.close();
        }
    }

    /// A file is not any more what it was when its download began.
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
        return pause.persist(
                () -> {
                    HubHttp.Answer answer = http.send("GET", uri, Map.of(), Map.of(), true);
                    try (InputStream body = answer.last().body()) {
                        requireOk(answer, "");
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
                            throw noHub(uri, "names no commit");
                        }
                        return new Listing(commit, files);
                    }
                });
    }

    /// Asks what a file is, without its bytes.
    RemoteFile head(String commit, String name) throws IOException, InterruptedException {
        return pause.persist(
                () -> {
                    URI uri = fileUri(commit, name);
                    HubHttp.Answer answer = http.send("HEAD", uri, Map.of(), Map.of(), false);
                    if (answer.status() == 405 || answer.status() == 501) {
                        answer.drop();
                        answer = http.send("GET", uri, Map.of(), Map.of(), false);
                    }
                    if (answer.isRedirect() && hash(answer).isEmpty()) {
                        answer.drop();
                        answer = http.send("HEAD", uri, Map.of(), Map.of(), true);
                    }
                    try (InputStream _ = answer.last().body()) {
                        requireOk(answer, name);
                        String hash = hash(answer);
                        if (!SAFE_HASH.matcher(hash).matches()) {
                            throw noHub(uri, "has no ETag that names its content");
                        }
                        return new RemoteFile(commit, name, hash, bytes(answer));
                    }
                });
    }

    /// Opens a file at a position, or at its beginning where the server knows no other. One
    /// attempt: what came before it broke is kept by who reads.
    Body open(RemoteFile file, long start) throws IOException, InterruptedException {
        URI uri = fileUri(file.commit(), file.name());
        boolean whole = start == 0;
        // Another host has ETags of its own; the hash tells in the end.
        HubHttp.Answer answer =
                http.send(
                        "GET",
                        uri,
                        whole ? Map.of() : Map.of("Range", "bytes=" + start + "-"),
                        whole ? Map.of() : Map.of("If-Range", "\"" + file.hash() + "\""),
                        true);
        boolean opened = false;
        try {
            if (answer.status() == 416 && !whole) {
                answer.drop();
                return open(file, 0);
            }
            requireOk(answer, file.name());
            String hash = hash(answer);
            if (!hash.isEmpty() && !hash.equals(file.hash())) {
                throw new ChangedException(
                        "%s of %s changed during its download".formatted(file.name(), model));
            }
            boolean goesOn =
                    !whole
                            && answer.status() == 206
                            && answer.last()
                                    .headers()
                                    .firstValue("Content-Range")
                                    .filter(range -> range.startsWith("bytes " + start + "-"))
                                    .isPresent();
            if (answer.status() == 206 && !whole && !goesOn) {
                answer.drop();
                return open(file, 0);
            }
            opened = true;
            return new Body(
                    new WatchedStream(answer.last().body(), config.timeouts().silence()),
                    goesOn ? start : 0);
        } finally {
            if (!opened) {
                answer.drop();
            }
        }
    }

    /// What a user is told of a failure.
    static String reason(IOException failure) {
        if (failure instanceof HttpTimeoutException) {
            return "no answer in time";
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
            throw noHub(uri, "is not JSON");
        }
    }

    private static String hash(HubHttp.Answer answer) {
        return answer.header("X-Linked-Etag")
                .or(() -> answer.header("ETag"))
                .map(tag -> tag.replaceFirst("^W/", "").replace("\"", ""))
                .orElse("");
    }

    private static long bytes(HubHttp.Answer answer) {
        return answer.header("X-Linked-Size")
                .filter(size -> size.matches("[0-9]{1,18}"))
                .map(Long::valueOf)
                .orElseGet(() -> answer.isRedirect() ? -1 : answer.lastLength().orElse(-1));
    }

    private void requireOk(HubHttp.Answer answer, String file) throws IOException {
        int status = answer.status();
        if (status / 100 == 2 || answer.isRedirect()) {
            return;
        }
        // A storage host refuses a link that is too old; the hub gives a new one.
        if (status >= 500 || status == 429 || status == 408 || !http.isHub(answer.last().uri())) {
            throw new HubBusyException(
                    answer.last().uri().getHost(),
                    status,
                    RetryAfter.of(answer.last().headers(), Instant.now()));
        }
        throw new UnusableException(
                new HubRefusal(config, model, file)
                        .line(status, answer.header("X-Error-Code").orElse("")));
    }

    private static UnusableException noHub(URI uri, String why) {
        return new UnusableException(
                "the answer of %s %s: set HF_ENDPOINT to a hub".formatted(uri, why));
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
