// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import io.netty.channel.Channel;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.http2.Http2ConnectionHandler;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The connections of clients, and how they end while the coordinator goes out of service. Safe for
/// any thread.
///
/// A client is told to take its next request elsewhere: over HTTP/1 by `Connection: close` in its
/// next response, over HTTP/2 by GOAWAY. No running response is cut.
final class ClientConnections {
    private final Set<Channel> open = ConcurrentHashMap.newKeySet();
    private final Set<Channel> listening = ConcurrentHashMap.newKeySet();
    private volatile State state = State.SERVING;

    private enum State {
        SERVING,
        LEAVING,
        CLOSED
    }

    /// Prepares a new connection.
    void prepare(ChannelPipeline pipeline) {
        Channel connection = pipeline.channel();
        open.add(connection);
        connection.closeFuture().addListener(_ -> open.remove(connection));
        // Its parent is the socket that listens, which the server does not show.
        listening.add(connection.parent());
        pipeline.addFirst(new Http1Pipeline(this));
        if (state == State.CLOSED) {
            var _ = connection.close();
        }
    }

    /// Whether clients must not send another request on their connection.
    boolean leaving() {
        return state != State.SERVING;
    }

    /// Whether a connection ends with its running response.
    boolean closed() {
        return state == State.CLOSED;
    }

    /// Tells clients to leave; their requests are still served.
    synchronized void leave() {
        if (state == State.CLOSED) {
            return;
        }
        state = State.LEAVING;
        open.forEach(ClientConnections::sendGoAway);
    }

    /// Ends [#leave].
    synchronized void stay() {
        if (state == State.LEAVING) {
            state = State.SERVING;
        }
    }

    /// Accepts no connection any more, and closes those without a request. If no client has ever
    /// connected, the socket is left to the end of the server.
    synchronized void close() {
        state = State.CLOSED;
        listening.forEach(
                socket -> {
                    var _ = socket.close();
                });
        open.forEach(
                connection ->
                        connection.eventLoop().execute(() -> ClientConnections.close(connection)));
    }

    /// Closing a connection of HTTP/2 sends GOAWAY and waits for its streams.
    private static void sendGoAway(Channel connection) {
        if (connection.pipeline().get(Http2ConnectionHandler.class) != null) {
            var _ = connection.close();
        }
    }

    private static void close(Channel connection) {
        Http1Connection http1 = connection.pipeline().get(Http1Connection.class);
        if (http1 == null || http1.isIdle()) {
            var _ = connection.close();
        }
    }
}
