// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.GenerateEvent;
import io.grpc.stub.ServerCallStreamObserver;
import org.jspecify.annotations.Nullable;

/// A call that reads the events of a request: the one that brought the request, or one that goes on
/// for it and has no request until the step loop has found it.
final class RequestReader {
    private final ServerCallStreamObserver<GenerateEvent> out;
    private volatile @Nullable RequestStream stream;

    RequestReader(ServerCallStreamObserver<GenerateEvent> out) {
        this.out = out;
    }

    ServerCallStreamObserver<GenerateEvent> out() {
        return out;
    }

    @Nullable RequestStream stream() {
        return stream;
    }

    void read(RequestStream request) {
        stream = request;
    }

    /// Sends what has waited for the transport.
    void drain() {
        RequestStream request = stream;
        if (request != null) {
            request.drain(out);
        }
    }
}
