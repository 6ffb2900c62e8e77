// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.ServerStreamTracer;
import io.grpc.Status;
import org.jspecify.annotations.Nullable;

/// How a call of [InternalServer] ended that its caller did not wait for: a caller that cancels
/// resets the stream, one that dies only lets the connection break.
public final class CallEnd extends ServerStreamTracer {
    static final Factory FACTORY =
            new Factory() {
                @Override
                public ServerStreamTracer newServerStreamTracer(String method, Metadata headers) {
                    return new CallEnd();
                }
            };

    private static final Context.Key<CallEnd> KEY = Context.key("call-end");
    private static final CallEnd CANCELLED = new CallEnd();

    private volatile @Nullable Status status;

    private CallEnd() {}

    /// Returns the end of the call whose handler runs. A call of another server counts as
    /// cancelled.
    public static CallEnd current() {
        CallEnd current = KEY.get();
        return current == null ? CANCELLED : current;
    }

    /// Returns whether the connection has broken; asked from the call's cancel handler on.
    public boolean isLost() {
        Status end = status;
        return end != null && end.getCode() == Status.Code.UNAVAILABLE;
    }

    @Override
    public Context filterContext(Context context) {
        return context.withValue(KEY, this);
    }

    @Override
    public void streamClosed(Status closed) {
        status = closed;
    }
}
