// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// A client with one request, which checks what it receives: positions without gap or repeat, one
/// end, and the text that a run without faults gives.
final class SimulatedClient extends SimulatedProcess {
    private final ClusterSimulation cluster;
    private final RequestRecord record;
    private final boolean comesBack;
    private final List<List<Integer>> texts = new ArrayList<>();
    private final List<Boolean> ended = new ArrayList<>();
    private final List<Float> values = new ArrayList<>();
    private Optional<Connection> connection = Optional.empty();
    private Optional<Happening> end = Optional.empty();
    private boolean known;
    private int connections;

    /// @param comesBack whether it resumes its request when its connection breaks
    SimulatedClient(ClusterSimulation cluster, RequestRecord record, boolean comesBack) {
        super(cluster.time(), "client of " + record.id());
        this.cluster = cluster;
        this.record = record;
        this.comesBack = comesBack;
        record.choices()
                .forEach(
                        choice -> {
                            texts.add(new ArrayList<>());
                            ended.add(false);
                        });
    }

    RequestRecord record() {
        return record;
    }

    Optional<Happening> end() {
        return end;
    }

    /// A connection to a coordinator. Only this end checks what arrives.
    final class Connection {
        private final Wire wire;
        private final SimulatedCoordinator coordinator;
        private final List<Integer> skip = new ArrayList<>();

        Connection(SimulatedCoordinator coordinator) {
            this.coordinator = coordinator;
            this.wire = cluster.wire(SimulatedClient.this, coordinator, false);
            wire.onEnd(() -> broken(this), () -> coordinator.clientEnded(this));
            // The client names the positions that it has.
            texts.forEach(text -> skip.add(text.size()));
        }

        void accepted() {
            wire.toClient(() -> known = true);
        }

        /// Sends what the client does not have.
        void send(RequestFrame frame) {
            switch (frame) {
                case RequestFrame.Tokens(var choice, var position, var ids, var last) -> {
                    int from = Math.clamp(skip.get(choice) - position, 0, ids.size());
                    List<Integer> fresh = List.copyOf(ids.subList(from, ids.size()));
                    if (last || !fresh.isEmpty()) {
                        wire.toClient(() -> tokens(this, choice, position + from, fresh, last));
                    }
                }
                case RequestFrame.Outputs(var _, var position, var fresh) ->
                        wire.toClient(() -> outputs(this, position, fresh));
                case RequestFrame.Failed(var reason) -> wire.toClient(() -> failed(this, reason));
                case RequestFrame.Accepted _, RequestFrame.Attached _ ->
                        throw new IllegalStateException("not for clients: " + frame);
            }
        }
    }

    void begin(SimulatedCoordinator coordinator) {
        Connection fresh = connect(coordinator);
        fresh.wire.toServer(() -> coordinator.submit(fresh, record));
    }

    private Connection connect(SimulatedCoordinator coordinator) {
        var fresh = new Connection(coordinator);
        connection = Optional.of(fresh);
        connections++;
        return fresh;
    }

    private void outputs(Connection from, int position, List<Float> fresh) {
        if (connection.equals(Optional.of(from)) && end.isEmpty()) {
            known = true;
            cluster.require(
                    position == values.size(),
                    "values of position %d of %s, which has %d"
                            .formatted(position, record.id(), values.size()));
            values.addAll(fresh);
        }
    }

    private void tokens(
            Connection from, int choice, int position, List<Integer> ids, boolean last) {
        if (!connection.equals(Optional.of(from)) || end.isPresent()) {
            return;
        }
        known = true;
        List<Integer> text = texts.get(choice);
        if (position != text.size()) {
            cluster.require(
                    false,
                    "position %d of choice %d of %s, which has %d"
                            .formatted(position, choice, record.id(), text.size()));
        }
        cluster.require(
                !ended.get(choice) || (ids.isEmpty() && connections > 1),
                "a choice goes on after its end");
        text.addAll(ids);
        if (last && !ended.get(choice)) {
            ended.set(choice, true);
            cluster.require(
                    !record.wanted().any()
                            || values.equals(
                                    FakeWorker.values(
                                            Arrays.stream(record.prompt()).boxed().toList())),
                    "the values of " + record.id() + " are " + values);
            List<Integer> expected =
                    FakeWorker.expected(record.prompt(), record.choices().get(choice));
            if (!text.equals(expected)) {
                cluster.require(
                        false,
                        "choice %d of %s is %s, expected %s"
                                .formatted(choice, record.id(), text, expected));
            }
        }
        if (!ended.contains(false)) {
            finish(Happening.FINISHED);
        }
    }

    private void failed(Connection from, RequestFrame.Reason reason) {
        if (!connection.equals(Optional.of(from)) || end.isPresent()) {
            return;
        }
        finish(
                switch (reason) {
                    case POISONED -> Happening.POISONED;
                    case GONE -> Happening.GONE;
                    case GROUP_LOST -> Happening.GROUP_LOST;
                    case EXPIRED -> {
                        cluster.require(
                                time.nanos() >= record.options().deadlineNanos(),
                                record.id() + " expired before its deadline");
                        yield Happening.EXPIRED;
                    }
                    case OVERLOADED, UNAVAILABLE, NOT_LEADER, INVALID -> {
                        cluster.require(
                                !known || reason == RequestFrame.Reason.INVALID,
                                record.id() + " was accepted and ends with " + reason);
                        yield Happening.REFUSED;
                    }
                });
    }

    private void broken(Connection from) {
        if (!connection.equals(Optional.of(from)) || end.isPresent()) {
            return;
        }
        connection = Optional.empty();
        if (!record.resumable() || !known || !comesBack) {
            finish(Happening.BROKEN);
            return;
        }
        time.after(time.between(10, 2000), () -> receive(this::comeBack));
    }

    private void comeBack() {
        Optional<SimulatedCoordinator> other = cluster.coordinator();
        if (other.isEmpty()) {
            time.after(time.between(100, 1000), () -> receive(this::comeBack));
            return;
        }
        Connection fresh = connect(other.get());
        fresh.wire.toServer(() -> fresh.coordinator.resume(fresh, record.id()));
    }

    void cancel() {
        if (end.isEmpty()) {
            finish(Happening.LEFT);
        }
    }

    private void finish(Happening how) {
        cluster.require(end.isEmpty(), record.id() + " ends twice");
        end = Optional.of(how);
        connection.ifPresent(open -> open.wire.close(this));
        cluster.ended(this, how);
    }
}
