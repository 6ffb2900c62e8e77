// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.Eventually;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/// A bare HTTP/1.1 connection, for requests that HTTP clients cannot send.
final class RawConnection implements AutoCloseable {
    private final Socket socket = new Socket();
    private final StringBuilder received = new StringBuilder();

    RawConnection(int port) throws IOException {
        this(port, 64 << 10);
    }

    /// Connects.
    ///
    /// @param receiveBuffer the bytes that the kernel buffers while the test does not read
    RawConnection(int port, int receiveBuffer) throws IOException {
        socket.setReceiveBufferSize(receiveBuffer);
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        socket.setSoTimeout((int) Eventually.TIMEOUT.toMillis());
    }

    void post(String path, String body) throws IOException {
        post(path, "1.1", body);
    }

    /// Sends a request.
    ///
    /// @param version of HTTP, and further lines of the head if wanted
    void post(String path, String version, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        String head =
                "POST "
                        + path
                        + " HTTP/"
                        + version
                        + "\r\nHost: localhost\r\nContent-Length: "
                        + bytes.length
                        + "\r\n\r\n";
        socket.getOutputStream().write(head.getBytes(StandardCharsets.UTF_8));
        socket.getOutputStream().write(bytes);
        socket.getOutputStream().flush();
    }

    void send(String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
        socket.getOutputStream().flush();
    }

    /// Closes this side of the connection, and stays able to read.
    void endOutput() throws IOException {
        socket.shutdownOutput();
    }

    /// Reads until the text has arrived; returns all text received up to now.
    String readUntil(String text) throws IOException {
        InputStream in = socket.getInputStream();
        byte[] buffer = new byte[8192];
        int searched = 0;
        while (received.indexOf(text, searched) < 0) {
            searched = Math.max(0, received.length() - text.length());
            int count = in.read(buffer);
            if (count < 0) {
                throw new IOException("closed before \"" + text + "\" arrived: " + received);
            }
            received.append(new String(buffer, 0, count, StandardCharsets.UTF_8));
        }
        return received.toString();
    }

    /// Removes the received text.
    void forget() {
        received.setLength(0);
    }

    /// Reads this many bytes.
    void read(int count) throws IOException {
        byte[] bytes = socket.getInputStream().readNBytes(count);
        received.append(new String(bytes, StandardCharsets.UTF_8));
    }

    /// Reads until the server closes the connection.
    String readAll() throws IOException {
        received.append(new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
        return received.toString();
    }

    /// Returns the body of a chunked response after its last chunk has arrived.
    String readChunkedBody() throws IOException {
        String all = readUntil("\r\n0\r\n\r\n");
        var body = new StringBuilder();
        int at = all.indexOf("\r\n\r\n") + 4;
        while (true) {
            int lineEnd = all.indexOf("\r\n", at);
            int length = Integer.parseInt(all.substring(at, lineEnd), 16);
            if (length == 0) {
                return body.toString();
            }
            body.append(all, lineEnd + 2, lineEnd + 2 + length);
            at = lineEnd + 2 + length + 2;
        }
    }

    /// Closes the connection before the end of the response.
    void disconnect() throws IOException {
        socket.close();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
