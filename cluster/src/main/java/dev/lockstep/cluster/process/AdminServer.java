// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// `GET /debug/state` on a port of the loopback address: the state of one process as JSON, for
/// whoever looks for a fault on this host.
///
/// It has threads of its own and its parts wait for the process at most for a moment, so that it
/// answers when nothing else does. It has no keys: whoever may open connections on the host may
/// read it. A page in a browser may not, because the Host header must name the loopback address.
final class AdminServer implements AutoCloseable {
    private static final String PATH = "/debug/state";
    private static final Set<String> HOSTS = Set.of("localhost", "127.0.0.1", "[::1]");
    private static final Logger LOG = LogManager.getLogger(AdminServer.class);

    private final String name;
    private final DebugState state;
    private final ObjectMapper json =
            new ObjectMapper().setPropertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE);
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpServer server;

    /// Listens.
    ///
    /// @param name of the process
    /// @param port 0 takes a free one
    /// @throws UncheckedIOException with one line, when the port is not available
    AdminServer(String name, int port, DebugState state) {
        this.name = name;
        this.state = state;
        var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        try {
            server = HttpServer.create(address, 0);
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot listen on %s:%d: %s; choose another --admin-port"
                            .formatted(address.getHostString(), port, e.getMessage()),
                    e);
        }
        server.setExecutor(threads);
        server.createContext("/", this::handle);
        server.start();
    }

    int port() {
        return server.getAddress().getPort();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            if (!namesLoopback(exchange.getRequestHeaders().getFirst("Host"))) {
                answer(exchange, 403, error("the Host header must name the loopback address"));
            } else if (!exchange.getRequestURI().getPath().equals(PATH)) {
                answer(exchange, 404, error("there is only " + PATH));
            } else if (!exchange.getRequestMethod().equals("GET")) {
                exchange.getResponseHeaders().set("Allow", "GET");
                answer(exchange, 405, error(PATH + " is read with GET"));
            } else {
                answer(exchange, 200, text());
            }
        } catch (RuntimeException e) {
            LOG.warn("the state cannot be shown", e);
            throw e;
        }
    }

    private static boolean namesLoopback(String host) {
        return Optional.ofNullable(host)
                .map(given -> given.replaceFirst(":[0-9]*$", ""))
                .filter(HOSTS::contains)
                .isPresent();
    }

    private String text() throws JsonProcessingException {
        ObjectNode root = json.createObjectNode();
        root.set("process", tree(ProcessFacts.now(name)));
        state.now().forEach((part, value) -> root.set(part, tree(value)));
        return json.writerWithDefaultPrettyPrinter().writeValueAsString(root);
    }

    private JsonNode tree(Object value) {
        return json.valueToTree(value);
    }

    private String error(String message) throws JsonProcessingException {
        return json.writeValueAsString(json.createObjectNode().put("error", message));
    }

    private static void answer(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = (body + "\n").getBytes(UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.getResponseHeaders().set("Cache-Control", "no-store");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
