// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.coordinator.engine.CommittedOutputs;
import dev.lockstep.coordinator.engine.RequestProgress;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A coordinator process around the real [RequestProgress] of each request: sends it to a group,
/// gives it to another scheduler when one is lost, and passes committed ids on to the client.
final class SimulatedCoordinator extends SimulatedProcess {
    private static final long RETRY = VirtualTime.millis(50);
    private static final long MOVE = VirtualTime.millis(500);

    private final ClusterSimulation cluster;
    private final Map<RequestCall, Run> calls = new LinkedHashMap<>();
    private final List<Run> runs = new ArrayList<>();

    /// A request that this coordinator runs.
    private static final class Run {
        final SimulatedClient.Connection client;
        final String id;
        Optional<RequestRecord> record;
        Optional<RequestProgress> progress = Optional.empty();

        /// Of the only choice of a request that wants outputs.
        final CommittedOutputs outputs = new CommittedOutputs();

        Optional<RequestCall> call = Optional.empty();
        final Set<SimulatedScheduler> refusedBy = new HashSet<>();
        Optional<RequestFrame.Reason> refusal = Optional.empty();
        int lastAttempt;

        Run(SimulatedClient.Connection client, String id, Optional<RequestRecord> record) {
            this.client = client;
            this.id = id;
            this.record = record;
            record.ifPresent(this::begin);
        }

        void begin(RequestRecord known) {
            record = Optional.of(known);
            progress = Optional.of(new RequestProgress(known.choices().size()));
        }

        RequestProgress progress() {
            return progress.orElseThrow();
        }

        boolean accepted() {
            return progress.isPresent() && progress().isAccepted();
        }
    }

    SimulatedCoordinator(ClusterSimulation cluster, String name) {
        super(cluster.time(), name);
        this.cluster = cluster;
        every(RETRY, this::goOn);
        every(MOVE, this::moveFromLostGroups);
    }

    void submit(SimulatedClient.Connection client, RequestRecord record) {
        var run = new Run(client, record.id(), Optional.of(record));
        runs.add(run);
        send(run);
    }

    /// Goes on with a request that another coordinator had: every scheduler is asked for it.
    void resume(SimulatedClient.Connection client, String id) {
        var run = new Run(client, id, Optional.empty());
        runs.add(run);
        attachNext(run);
    }

    private void attachNext(Run run) {
        for (SimulatedScheduler scheduler : cluster.schedulers()) {
            if (scheduler.alive() && run.refusedBy.add(scheduler)) {
                call(run, scheduler).attach(run.id);
                return;
            }
        }
        fail(run, RequestFrame.Reason.GONE);
    }

    private RequestCall call(Run run, SimulatedScheduler scheduler) {
        RequestCall call = cluster.call(this, scheduler);
        calls.put(call, run);
        run.call = Optional.of(call);
        return call;
    }

    /// Sends a request to a scheduler that has not refused it. Returns whether there is one.
    private boolean sendTo(Run run) {
        Optional<SimulatedScheduler> chosen = cluster.choose(run.refusedBy);
        chosen.ifPresent(
                scheduler ->
                        call(run, scheduler)
                                .submit(run.record.orElseThrow(), run.progress().goOnWith()));
        return chosen.isPresent();
    }

    private void send(Run run) {
        if (!sendTo(run)) {
            fail(run, run.refusal.orElse(RequestFrame.Reason.UNAVAILABLE));
        }
    }

    void received(RequestCall call, RequestFrame frame) {
        Run run = calls.get(call);
        if (run == null || !run.call.equals(Optional.of(call))) {
            // Of an attempt that was given up.
            cluster.happened(Happening.LATE_FRAME_DROPPED);
            return;
        }
        switch (frame) {
            case RequestFrame.Accepted() -> accept(run, call);
            case RequestFrame.Attached(var record) -> {
                if (run.progress.isEmpty()) {
                    run.begin(record);
                    accept(run, call);
                    cluster.happened(Happening.RESUMED);
                }
            }
            case RequestFrame.Tokens tokens -> commit(run, call, tokens);
            case RequestFrame.Outputs outputs -> commit(run, call, outputs);
            case RequestFrame.Failed(var reason) -> failed(run, call, reason);
        }
    }

    private void accept(Run run, RequestCall call) {
        cluster.require(call.attempt() >= run.lastAttempt, "a frame of an older attempt");
        run.lastAttempt = call.attempt();
        run.progress().accept();
        run.client.accepted();
    }

    private void commit(Run run, RequestCall call, RequestFrame.Outputs outputs) {
        accept(run, call);
        PositionOutputs fresh =
                run.outputs.commit(
                        PositionOutputs.newBuilder()
                                .setPosition(outputs.position())
                                .setHiddenSize(1)
                                .addAllHiddenStates(outputs.values())
                                .build());
        if (fresh.getHiddenStatesCount() < outputs.values().size()) {
            cluster.happened(Happening.OUTPUTS_REPEATED);
        }
        if (fresh.getHiddenStatesCount() > 0) {
            run.client.send(
                    new RequestFrame.Outputs(
                            outputs.choice(), fresh.getPosition(), fresh.getHiddenStatesList()));
        }
    }

    private void commit(Run run, RequestCall call, RequestFrame.Tokens tokens) {
        accept(run, call);
        RequestProgress progress = run.progress();
        int choice = tokens.choice();
        int repeats = progress.commit(choice, tokens.position(), tokens.ids());
        if (repeats > 0) {
            cluster.happened(Happening.REPEAT_DROPPED);
        }
        boolean ends = tokens.last() && !progress.isFinished(choice);
        if (ends) {
            progress.finish(choice);
        }
        if (ends || repeats < tokens.ids().size()) {
            run.client.send(
                    new RequestFrame.Tokens(
                            choice,
                            tokens.position() + repeats,
                            tokens.ids().subList(repeats, tokens.ids().size()),
                            ends));
        }
        if (progress.done()) {
            end(run);
        }
    }

    /// As the coordinator does in `Completion.failed`.
    private void failed(Run run, RequestCall call, RequestFrame.Reason reason) {
        calls.remove(call);
        call.cancel();
        if (run.progress.isEmpty()) {
            attachNext(run);
            return;
        }
        boolean stillLost = run.progress().isLost() && reason.isRetryable();
        if (run.accepted() && (reason.isLoss() || stillLost)) {
            lose(run);
            return;
        }
        if (run.accepted() || !reason.isRetryable()) {
            fail(run, reason);
            return;
        }
        run.refusedBy.add(call.scheduler());
        run.refusal = Optional.of(reason);
        run.call = Optional.empty();
        send(run);
    }

    private void lose(Run run) {
        run.call = Optional.empty();
        if (run.progress().lose(time.nanos())) {
            cluster.happened(Happening.MOVED);
        }
    }

    private void goOn() {
        for (Run run : List.copyOf(runs)) {
            if (run.call.isPresent() || !run.accepted() || !run.progress().isLost()) {
                continue;
            }
            if (!run.progress().mayGoOn(time.nanos())) {
                fail(run, RequestFrame.Reason.GROUP_LOST);
                continue;
            }
            run.refusedBy.clear();
            var _ = sendTo(run);
        }
    }

    /// As the coordinator does in `Completion.moveFromLostGroups`.
    private void moveFromLostGroups() {
        for (Run run : List.copyOf(runs)) {
            if (run.accepted() && run.call.isPresent() && run.progress().mayMove()) {
                RequestCall call = run.call.get();
                if (cluster.mustMove(call.scheduler())) {
                    calls.remove(call);
                    call.cancel();
                    lose(run);
                }
            }
        }
    }

    /// The client has cancelled the request, or its connection broke.
    void clientEnded(SimulatedClient.Connection client) {
        runs.stream().filter(run -> run.client == client).toList().forEach(this::end);
    }

    private void fail(Run run, RequestFrame.Reason reason) {
        run.client.send(new RequestFrame.Failed(reason));
        end(run);
    }

    private void end(Run run) {
        runs.remove(run);
        run.call.ifPresent(
                call -> {
                    calls.remove(call);
                    call.cancel();
                });
        run.call = Optional.empty();
    }
}
