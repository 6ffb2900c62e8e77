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

/// The prefix cache that a fake scheduler tells of; it remembers every event of its stream.
public final class FakeBlocks {
    private final List<ServerCallStreamObserver<BlockEvents>> watchers = new ArrayList<>();
    private final List<WatchBlocksRequest> asked = new ArrayList<>();
    private final List<BlockEvents> events = new ArrayList<>();
    private final Set<BlockHash> held = new LinkedHashSet<>();
    private String stream = "epoch-1";
    private boolean served = true;

    /// Every request to watch so far.
    public synchronized List<WatchBlocksRequest> asked() {
        return List.copyOf(asked);
    }

    /// From now on it knows nothing of such questions, as an older scheduler.
    synchronized void unserved() {
        served = false;
    }

    public synchronized void watch(
            WatchBlocksRequest request, StreamObserver<BlockEvents> observer) {
        asked.add(request);
        if (!served) {
            observer.onError(Status.UNIMPLEMENTED.asRuntimeException());
            return;
        }
        var watcher = (ServerCallStreamObserver<BlockEvents>) observer;
        watcher.setOnCancelHandler(() -> gone(watcher));
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

    /// The group is formed again, with nothing in its cache.
    synchronized void beginAnew(String name) {
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

    /// What comes next is of no use to anybody.
    synchronized void sendRaw(BlockEvents event) {
        watchers.forEach(watcher -> watcher.onNext(event));
    }

    synchronized void breakOff() {
        watchers.forEach(watcher -> watcher.onError(Status.UNAVAILABLE.asRuntimeException()));
        watchers.clear();
    }

    private synchronized void gone(ServerCallStreamObserver<BlockEvents> watcher) {
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
