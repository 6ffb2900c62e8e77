// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.util.CharsetUtil;

/// Sends the beginning of a response, which is the same for every response, before its status is
/// known: a client that has gone reacts to these bytes with a reset. Its place is between the
/// encoder of responses and the socket, on the connection's event loop.
final class StatusLine extends ChannelOutboundHandlerAdapter {
    private static final String BEGIN = "HTTP/1.1 ";

    private int sent;

    /// Sends one more byte of the response that has not begun, if one is left.
    void sendNext(ChannelHandlerContext encoder) {
        if (sent == BEGIN.length()) {
            return;
        }
        ByteBuf next = encoder.alloc().buffer(1);
        next.writeByte(BEGIN.charAt(sent));
        // Before the write, which passes this handler, so that it is not shortened.
        int before = sent;
        sent = 0;
        var _ = encoder.writeAndFlush(next, encoder.voidPromise());
        sent = before + 1;
    }

    @Override
    public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
        if (sent > 0 && message instanceof ByteBuf bytes && bytes.isReadable()) {
            String begin = bytes.toString(bytes.readerIndex(), sent, CharsetUtil.US_ASCII);
            if (!BEGIN.startsWith(begin)) {
                throw new IllegalStateException("a response begins with " + begin);
            }
            bytes.skipBytes(sent);
            sent = 0;
        }
        var _ = context.write(message, promise);
    }
}
