// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/// A forward proxy on a port of this host; resolves every name to this host.
final class TestProxy implements AutoCloseable {
    private static final String PROXY_AUTHORIZATION = "proxy-authorization:";

    /// A request that the proxy received.
    ///
    /// @param target `host:port`
    /// @param credentials `user:password`
    record Received(String method, String target, Optional<String> credentials) {}

    final List<Received> requests = new CopyOnWriteArrayList<>();

    /// The required `user:password`; empty if the proxy is open.
    volatile Optional<String> required = Optional.empty();

    private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final ExecutorService threads = Executors.newCachedThreadPool();

    TestProxy() throws IOException {
        threads.execute(this::accept);
    }

    /// Returns `host:port`.
    String address() {
        return "127.0.0.1:" + server.getLocalPort();
    }

    private void accept() {
        try {
            while (true) {
                Socket socket = server.accept();
                threads.execute(() -> serve(socket));
            }
        } catch (IOException e) {
            // Closed.
        }
    }

    private void serve(Socket client) {
        try (client) {
            List<String> head = head(client.getInputStream());
            String[] words = head.getFirst().split(" ", -1);
            boolean tunnel = words[0].equals("CONNECT");
            URI uri = URI.create(tunnel ? "https://" + words[1] : words[1]);
            Optional<String> credentials =
                    head.stream()
                            .filter(
                                    line ->
                                            line.toLowerCase(Locale.ROOT)
                                                    .startsWith(PROXY_AUTHORIZATION))
                            .map(line -> line.substring(line.lastIndexOf(' ') + 1))
                            .map(
                                    it ->
                                            new String(
                                                    Base64.getDecoder().decode(it),
                                                    StandardCharsets.UTF_8))
                            .findFirst();
            requests.add(new Received(words[0], uri.getAuthority(), credentials));
            if (!required.equals(credentials)) {
                send(
                        client,
                        List.of(
                                "HTTP/1.1 407 No",
                                "Proxy-Authenticate: Basic realm=\"test\"",
                                "Content-Length: 0",
                                "Connection: close"));
                return;
            }
            try (var host = new Socket(InetAddress.getLoopbackAddress(), uri.getPort())) {
                if (tunnel) {
                    send(client, List.of("HTTP/1.1 200 Go on"));
                    threads.execute(() -> pump(client, host));
                } else {
                    List<String> lines = new ArrayList<>(head);
                    lines.set(0, words[0] + " " + uri.getRawPath() + " " + words[2]);
                    lines.removeIf(
                            line ->
                                    line.toLowerCase(Locale.ROOT)
                                            .matches("(proxy-|connection:).*"));
                    lines.add("Connection: close");
                    send(host, lines);
                }
                pump(host, client);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void pump(Socket from, Socket to) {
        try {
            from.getInputStream().transferTo(to.getOutputStream());
            to.shutdownOutput();
        } catch (IOException e) {
            // One of the sockets is closed; its peer closes next.
        }
    }

    private static void send(Socket to, List<String> lines) throws IOException {
        String text = String.join("\r\n", lines) + "\r\n\r\n";
        to.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
        to.getOutputStream().flush();
    }

    /// Reads the lines that precede the empty line.
    private static List<String> head(InputStream in) throws IOException {
        var text = new StringBuilder();
        for (int next = in.read(); next >= 0; next = in.read()) {
            text.append((char) next);
            if (text.indexOf("\r\n\r\n", Math.max(0, text.length() - 4)) >= 0) {
                return text.toString().strip().lines().toList();
            }
        }
        throw new IOException("no request");
    }

    @Override
    public void close() {
        threads.shutdownNow();
        try {
            server.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
