// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.CombinedChannelDuplexHandler;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.util.List;

/// Adds [Http1Connection] to the connections that speak HTTP/1, then removes itself.
///
/// The server chooses the protocol by the first four bytes of a connection, and adds its HTTP/1
/// codec within the read of these bytes. They are passed on alone, so that the handlers are in
/// place before the first request is decoded.
final class Http1Pipeline extends ByteToMessageDecoder {
    private static final int PROTOCOL_BYTES = 4;

    private final ClientConnections connections;

    Http1Pipeline(ClientConnections connections) {
        this.connections = connections;
    }

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) {
        if (in.readableBytes() < PROTOCOL_BYTES) {
            return;
        }
        context.fireChannelRead(in.readRetainedSlice(PROTOCOL_BYTES));
        ChannelPipeline pipeline = context.pipeline();
        ChannelHandlerContext codec = pipeline.context(CombinedChannelDuplexHandler.class);
        if (codec != null) {
            var statusLine = new StatusLine();
            pipeline.addBefore(codec.name(), null, statusLine);
            pipeline.addAfter(codec.name(), null, new Http1Connection(statusLine, connections));
        }
        pipeline.remove(this);
    }
}
