// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/// The content of a [Membership]; its cluster writes it, any thread reads it.
final class MemberTable implements Membership {

    private final Executor events;
    private final List<Listening> listeners = new CopyOnWriteArrayList<>();
    private volatile Snapshot snapshot = Snapshot.EMPTY;

    MemberTable(Executor events) {
        this.events = events;
    }

    @Override
    public Snapshot snapshot() {
        return snapshot;
    }

    @Override
    public Subscription listen(Consumer<Snapshot> listener) {
        var listening = new Listening(listener);
        listeners.add(listening);
        listening.changed();
        return listening;
    }

    /// Publishes `seen`, oldest first.
    synchronized void replace(List<Member> seen) {
        if (!seen.equals(snapshot.members())) {
            snapshot = new Snapshot(seen);
            listeners.forEach(Listening::changed);
        }
    }

    /// Publishes `seen` and the members listed before that are not in it. When ZooKeeper comes back
    /// empty, those are alive and about to announce themselves again.
    synchronized void add(List<Member> seen) {
        Set<String> present = new HashSet<>();
        seen.forEach(member -> present.add(member.incarnation()));
        List<Member> both = new ArrayList<>();
        for (Member before : snapshot.members()) {
            if (!present.contains(before.incarnation())) {
                both.add(before);
            }
        }
        both.addAll(seen);
        replace(both);
    }

    private final class Listening implements Subscription {

        private final Consumer<Snapshot> listener;
        private final AtomicBoolean queued = new AtomicBoolean();
        private volatile boolean open = true;

        Listening(Consumer<Snapshot> listener) {
            this.listener = listener;
        }

        /// Coalesces changes: at most one call is queued, and it reads the newest content.
        void changed() {
            if (queued.compareAndSet(false, true)) {
                events.execute(this::call);
            }
        }

        private void call() {
            queued.set(false);
            if (open) {
                listener.accept(snapshot);
            }
        }

        @Override
        public void close() {
            open = false;
            listeners.remove(this);
        }
    }
}
