// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPromise;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.ChannelInputShutdownReadComplete;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.CharsetUtil;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.TimeUnit;

/// The rules of HTTP/1 that the server's library does not know: HTTP/1.0 without chunks, and
/// clients that close their side after the last request. Its place is between the codec and the
/// library's decoder, on the connection's event loop.
///
/// The end of a client's input may mean that the client waits for its responses, or that it has
/// gone; TCP does not tell which. Only sent data does, because a client that has gone reacts with a
/// reset, after which the next write fails and closes the connection. So what the response allows
/// is sent at increasing intervals: bytes of the status line, or comments in a stream of events.
final class Http1Connection extends ChannelDuplexHandler {
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final int PAUSE_FACTOR = 4;
    private static final Duration MAX_PAUSE = Duration.ofMinutes(2);

    private final StatusLine statusLine;
    private final ClientConnections connections;

    /// The versions of the requests whose responses have not ended, in order.
    private final Queue<HttpVersion> open = new ArrayDeque<>();

    private boolean requestIncomplete;
    private boolean inputEnded;
    private boolean responseBegun;
    private boolean sendsEvents;
    private boolean closeAtEnd;
    private boolean interim;
    private boolean switched;

    Http1Connection(StatusLine statusLine, ClientConnections connections) {
        this.statusLine = statusLine;
        this.connections = connections;
    }

    /// Whether no request has begun whose response has not ended.
    boolean isIdle() {
        return open.isEmpty() && !requestIncomplete;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        if (message instanceof HttpRequest request) {
            open.add(request.protocolVersion());
            requestIncomplete = true;
        }
        if (message instanceof LastHttpContent) {
            requestIncomplete = false;
        }
        updateHalfClosure(context.channel());
        context.fireChannelRead(message);
    }

    /// Lets the connection outlive the end of its input while a complete request has no complete
    /// response; at any other time the end of the input closes it.
    private void updateHalfClosure(Channel channel) {
        channel.config()
                .setOption(ChannelOption.ALLOW_HALF_CLOSURE, !open.isEmpty() && !requestIncomplete);
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event == ChannelInputShutdownEvent.INSTANCE) {
            inputEnded = true;
            probe(context, FIRST_PAUSE);
        } else if (event != ChannelInputShutdownReadComplete.INSTANCE) {
            context.fireUserEventTriggered(event);
        }
    }

    private void probe(ChannelHandlerContext context, Duration pause) {
        if (!context.channel().isActive() || open.isEmpty()) {
            return;
        }
        if (!responseBegun) {
            statusLine.sendNext(context.pipeline().context(statusLine));
        } else if (sendsEvents) {
            var comment =
                    new DefaultHttpContent(
                            Unpooled.copiedBuffer(HttpExchange.COMMENT, CharsetUtil.UTF_8));
            var _ = context.writeAndFlush(comment);
        }
        Duration longer = pause.multipliedBy(PAUSE_FACTOR);
        Duration next = longer.compareTo(MAX_PAUSE) < 0 ? longer : MAX_PAUSE;
        var _ =
                context.executor()
                        .schedule(
                                () -> probe(context, next),
                                pause.toMillis(),
                                TimeUnit.MILLISECONDS);
    }

    @Override
    public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
        ChannelPromise written = promise;
        if (message instanceof HttpResponse response) {
            begin(response);
        }
        if (message instanceof LastHttpContent && !interim) {
            written = promise.unvoid();
            end(context.channel(), written);
        }
        var _ = context.write(message, written);
        if (switched) {
            context.pipeline().remove(statusLine);
            context.pipeline().remove(this);
        }
    }

    private void begin(HttpResponse response) {
        switched = response.status().equals(HttpResponseStatus.SWITCHING_PROTOCOLS);
        interim = !switched && response.status().codeClass() == HttpStatusClass.INFORMATIONAL;
        if (interim) {
            return;
        }
        responseBegun = true;
        String type = response.headers().get(HttpHeaderNames.CONTENT_TYPE, "");
        sendsEvents = type.startsWith(HttpHeaderValues.TEXT_EVENT_STREAM.toString());
        if (HttpVersion.HTTP_1_0.equals(open.peek())) {
            fitHttp10(response.headers());
        }
        if (connections.leaving() && !switched) {
            response.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
            closeAtEnd = true;
        }
    }

    /// Lets the end of the connection be the end of a response without a length, and announces that
    /// a connection stays open, which HTTP/1.1 implies.
    private void fitHttp10(HttpHeaders headers) {
        if (headers.contains(HttpHeaderNames.TRANSFER_ENCODING)) {
            headers.remove(HttpHeaderNames.TRANSFER_ENCODING);
            headers.set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
            closeAtEnd = true;
        } else if (!headers.contains(HttpHeaderNames.CONNECTION)) {
            headers.set(HttpHeaderNames.CONNECTION, HttpHeaderValues.KEEP_ALIVE);
        }
    }

    private void end(Channel channel, ChannelPromise promise) {
        open.poll();
        responseBegun = false;
        sendsEvents = false;
        if (closeAtEnd || connections.closed() || (inputEnded && open.isEmpty())) {
            promise.addListener(ChannelFutureListener.CLOSE);
        } else if (!inputEnded) {
            updateHalfClosure(channel);
        }
    }
}
