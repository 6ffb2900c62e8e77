// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.proto.v1.BlockEvents;
import dev.lockstep.proto.v1.WatchBlocksRequest;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// The prefix cache of a fake scheduler, which keeps every event of its stream.
public final class FakeBlocks {
    private final List<ServerCallStreamObserver<BlockEvents>> watchers = new ArrayList<>();
    private final List<WatchBlocksRequest> requests = new ArrayList<>();
    private final List<BlockEvents> events = new ArrayList<>();
    private final Set<BlockHash> held = new LinkedHashSet<>();
    private String stream = "epoch-1";
    private boolean served = true;

    /// Returns all requests to watch.
    public synchronized List<WatchBlocksRequest> requests() {
        return List.copyOf(requests);
    }

    /// Refuses all further watches, like an older scheduler.
    synchronized void refuseWatches() {
        served = false;
    }

    public synchronized void watch(
            WatchBlocksRequest request, StreamObserver<BlockEvents> observer) {
        requests.add(request);
        if (!served) {
            observer.onError(Status.UNIMPLEMENTED.asRuntimeException());
            return;
        }
        var watcher = (ServerCallStreamObserver<BlockEvents>) observer;
        watcher.setOnCancelHandler(() -> remove(watcher));
        watchers.add(watcher);
        if (request.getStream().equals(stream)) {
            events.stream()
                    .filter(event -> event.getSequence() > request.getSequence())
                    .forEach(watcher::onNext);
        } else {
            watcher.onNext(
                    BlockEvents.newBuilder()
                            .setStream(stream)
                            .setSequence(events.size())
                            .setSnapshot(true)
                            .setStored(bytes(held))
                            .build());
        }
    }

    synchronized void store(BlockHash... names) {
        held.addAll(List.of(names));
        send(BlockEvents.newBuilder().setStored(bytes(List.of(names))));
    }

    synchronized void remove(BlockHash... names) {
        List.of(names).forEach(held::remove);
        send(BlockEvents.newBuilder().setRemoved(bytes(List.of(names))));
    }

    /// Starts a new stream with an empty cache, like a group that forms again.
    synchronized void restart(String name) {
        stream = name;
        events.clear();
        held.clear();
        watchers.forEach(
                watcher ->
                        watcher.onNext(
                                BlockEvents.newBuilder()
                                        .setStream(stream)
                                        .setSnapshot(true)
                                        .build()));
    }

    /// Sends an event that need not fit the stream.
    synchronized void sendRaw(BlockEvents event) {
        watchers.forEach(watcher -> watcher.onNext(event));
    }

    void endStreams() {
        endStreams(Status.UNAVAILABLE);
    }

    synchronized void endStreams(Status status) {
        watchers.forEach(watcher -> watcher.onError(status.asRuntimeException()));
        watchers.clear();
    }

    private synchronized void remove(ServerCallStreamObserver<BlockEvents> watcher) {
        watchers.remove(watcher);
    }

    private void send(BlockEvents.Builder event) {
        BlockEvents built = event.setStream(stream).setSequence(events.size() + 1).build();
        events.add(built);
        watchers.forEach(watcher -> watcher.onNext(built));
    }

    private static ByteString bytes(Iterable<BlockHash> names) {
        ByteString bytes = ByteString.EMPTY;
        for (BlockHash name : names) {
            bytes = bytes.concat(ByteString.copyFrom(name.toBytes()));
        }
        return bytes;
    }
}
