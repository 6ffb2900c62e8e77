// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.GenerateEvent;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The reader of a request's stream; it is not ready at first.
final class FakeReader extends ServerCallStreamObserver<GenerateEvent> {
    final List<GenerateEvent> events = new ArrayList<>();
    boolean ready;
    boolean completed;
    @Nullable Throwable failure;

    @Override
    public boolean isReady() {
        return ready;
    }

    @Override
    public void onNext(GenerateEvent event) {
        events.add(event);
    }

    @Override
    public void onError(Throwable thrown) {
        failure = thrown;
    }

    @Override
    public void onCompleted() {
        completed = true;
    }

    @Override
    public boolean isCancelled() {
        return false;
    }

    @Override
    public void setOnCancelHandler(Runnable handler) {}

    @Override
    public void setCompression(String compression) {}

    @Override
    public void disableAutoInboundFlowControl() {}

    @Override
    public void setOnReadyHandler(Runnable handler) {}

    @Override
    public void request(int count) {}

    @Override
    public void setMessageCompression(boolean enable) {}
}
