// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.proto.v1.BlockEvents;
import dev.lockstep.scheduler.CacheEvents;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The block events for one coordinator. A slow reader receives them later, combined into one
/// message.
final class BlockWatcher {
    /// All names in the cache, and the position that they are valid for.
    record Snapshot(BlockJournal.Position position, List<BlockHash> names) {}

    private final ServerCallStreamObserver<BlockEvents> out;
    private final BlockJournal journal;
    private final Supplier<CompletableFuture<Snapshot>> snapshots;
    private BlockJournal.Position position;
    private boolean snapshotRequested;

    /// @param snapshots requests one from the step loop
    BlockWatcher(
            ServerCallStreamObserver<BlockEvents> out,
            BlockJournal journal,
            BlockJournal.Position from,
            Supplier<CompletableFuture<Snapshot>> snapshots) {
        this.out = out;
        this.journal = journal;
        this.position = from;
        this.snapshots = snapshots;
    }

    /// The changes of one message: names that were stored and names that were removed.
    private static final class Changes implements CacheEvents {
        final Set<BlockHash> stored = new LinkedHashSet<>();
        final Set<BlockHash> removed = new LinkedHashSet<>();

        @Override
        public void stored(BlockHash name) {
            stored.add(name);
        }

        @Override
        public void removed(BlockHash name) {
            if (!stored.remove(name)) {
                removed.add(name);
            }
        }
    }

    /// Sends new changes, unless the reader is slow or a snapshot is on its way; called repeatedly,
    /// from any thread.
    synchronized void send() {
        if (snapshotRequested || out.isCancelled() || !out.isReady()) {
            return;
        }
        var changes = new Changes();
        Optional<BlockJournal.Position> reached = journal.read(position, changes);
        if (reached.isEmpty()) {
            snapshotRequested = true;
            var _ = snapshots.get().thenAccept(this::begin).exceptionally(this::end);
            return;
        }
        if (!reached.get().equals(position)) {
            position = reached.get();
            send(false, changes.stored, changes.removed);
        }
    }

    private synchronized void begin(Snapshot snapshot) {
        snapshotRequested = false;
        position = snapshot.position();
        if (!out.isCancelled()) {
            send(true, snapshot.names(), Set.of());
        }
    }

    /// Ends the stream, because the step loop has stopped: its reader asks another scheduler.
    private synchronized @Nullable Void end(Throwable why) {
        if (!out.isCancelled()) {
            out.onError(Status.UNAVAILABLE.withCause(why).asRuntimeException());
        }
        return null;
    }

    private void send(
            boolean snapshot, Collection<BlockHash> stored, Collection<BlockHash> removed) {
        out.onNext(
                BlockEvents.newBuilder()
                        .setStream(position.stream())
                        .setSequence(position.sequence())
                        .setSnapshot(snapshot)
                        .setStored(bytes(stored))
                        .setRemoved(bytes(removed))
                        .build());
    }

    private static ByteString bytes(Collection<BlockHash> names) {
        ByteString.Output out = ByteString.newOutput(names.size() * BlockHash.BYTES);
        for (BlockHash name : names) {
            out.write(name.toBytes(), 0, BlockHash.BYTES);
        }
        return out.toByteString();
    }
}
