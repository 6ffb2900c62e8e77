// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.CanaryResult;
import dev.lockstep.proto.v1.CanaryStep;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Heartbeat;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.WorkerMessage;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.StepResult;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The ranks of one epoch: one stream each, the same step to all, a result when all have answered.
/// When a rank is lost, the group is lost for good; the class that created the group closes it.
///
/// [GroupKeeper] forms it, then the step loop sends steps and calls [#beat]. Answers arrive on the
/// transport's thread; state used by both is guarded by this.
final class WorkerGroup implements RankStream.Listener, AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(WorkerGroup.class);

    static final Metadata.Key<String> EPOCH_TRAILER =
            Metadata.Key.of("lockstep-epoch", Metadata.ASCII_STRING_MARSHALLER);

    /// Time for which a rank may be silent, or a step make no progress, before it counts as hung.
    static final Duration HUNG = Duration.ofSeconds(5);

    private static final Duration PAUSED = Duration.ofSeconds(3);

    /// Receives the events of a formed group, on any thread; must not block.
    interface Listener {
        void stepCompleted(WorkerGroup group, StepResult result);

        void groupLost(WorkerGroup group, GroupLoss loss);
    }

    private final long epoch;
    private final Clock clock;
    private final Listener listener;
    private final List<GroupRank> ranks = new ArrayList<>();
    private final CanarySteps canaries;
    private final SlowRank slow;
    private final ArrayDeque<StepResult> results = new ArrayDeque<>();
    private Optional<FormationException> lost = Optional.empty();
    private long beatNanos;
    private long sent;
    private long completed;
    private Map<String, String> expelled = Map.of();

    private WorkerGroup(long epoch, int size, Clock clock, Listener listener) {
        this.epoch = epoch;
        this.canaries = new CanarySteps(epoch, size);
        this.slow = new SlowRank(size);
        this.clock = clock;
        this.listener = listener;
    }

    /// Dials `members`, whose index is their rank.
    ///
    /// @throws FormationException when the announced address of one cannot be dialled
    static WorkerGroup dial(
            long epoch, List<Member> members, Dialer dialer, Clock clock, Listener listener)
            throws FormationException {
        var group = new WorkerGroup(epoch, members.size(), clock, listener);
        group.dial(members, dialer);
        return group;
    }

    private void dial(List<Member> members, Dialer dialer) throws FormationException {
        synchronized (this) {
            beatNanos = clock.nanoTime();
            for (int rank = 0; rank < members.size(); rank++) {
                Member member = members.get(rank);
                try {
                    var stream = new RankStream(rank, dialer.dial(member), this);
                    ranks.add(new GroupRank(rank, member, stream, beatNanos));
                } catch (RuntimeException e) {
                    ranks.forEach(dialled -> dialled.stream.cancel());
                    throw FormationException.refused(
                            "the address of rank %d (%s) cannot be dialled: %s"
                                    .formatted(rank, member.describe(), e.getMessage()));
                }
            }
        }
        ranks.forEach(rank -> rank.stream.open());
    }

    long epoch() {
        return epoch;
    }

    /// Requests every rank to join this epoch, and waits for their answers.
    List<Joined> join(String group, byte[] hashKey, Duration timeout)
            throws FormationException, InterruptedException {
        for (GroupRank rank : ranks) {
            rank.stream.send(
                    SchedulerMessage.newBuilder()
                            .setJoin(
                                    Join.newBuilder()
                                            .setGroup(group)
                                            .setEpoch(epoch)
                                            .setRank(rank.number)
                                            .setSize(ranks.size())
                                            .setHashKey(ByteString.copyFrom(hashKey)))
                            .build());
        }
        return await("join", rank -> rank.joined, timeout);
    }

    /// Lets the ranks build what they share and warm up, and waits for their answers.
    List<Formed> form(Form form, Duration timeout) throws FormationException, InterruptedException {
        sendToAll(SchedulerMessage.newBuilder().setForm(form).build());
        return await("form", rank -> rank.formed, timeout);
    }

    /// Takes over what the canary step of the formation found, with which later ones are compared.
    synchronized void expectCanary(CanaryAnswer known) {
        canaries.expect(known);
    }

    /// Sends a canary step, unless one is outstanding. Returns whether it did.
    boolean sendCanary() {
        CanaryStep.Builder step;
        synchronized (this) {
            Optional<Long> next = lost.isPresent() ? Optional.empty() : canaries.next();
            if (next.isEmpty()) {
                return false;
            }
            begin();
            step = CanaryStep.newBuilder().setEpoch(epoch).setNumber(next.get());
        }
        sendToAll(SchedulerMessage.newBuilder().setCanary(step).build());
        return true;
    }

    private void begin() {
        long now = clock.nanoTime();
        ranks.forEach(rank -> rank.begins(now));
    }

    /// Returns the number of canary steps that found what is known.
    synchronized long goodCanaries() {
        return canaries.good();
    }

    private <T> List<T> await(
            String what, Function<GroupRank, CompletableFuture<T>> answer, Duration timeout)
            throws FormationException, InterruptedException {
        long deadline = clock.nanoTime() + timeout.toNanos();
        var answers = new ArrayList<T>();
        for (GroupRank rank : ranks) {
            while (!answer.apply(rank).isDone()) {
                throwIfLost();
                if (clock.nanoTime() >= deadline) {
                    lose(
                            rank.name()
                                    + " did not "
                                    + what
                                    + " within "
                                    + timeout.toSeconds()
                                    + " s");
                }
                try {
                    answer.apply(rank).get(1, TimeUnit.SECONDS);
                } catch (TimeoutException | ExecutionException e) {
                    // A second has passed, or the group is lost: the loop checks which.
                    beat();
                }
            }
            throwIfLost();
            answers.add(answer.apply(rank).join());
        }
        return answers;
    }

    private synchronized void throwIfLost() throws FormationException {
        if (lost.isPresent()) {
            throw lost.get();
        }
    }

    /// Sends a step to every rank, unless the group is lost already. Returns its size in bytes.
    int send(StepPlan plan) {
        synchronized (this) {
            if (lost.isPresent()) {
                return 0;
            }
            if (sent == completed) {
                begin();
            }
            sent = plan.number();
        }
        SchedulerMessage message = RankStream.toProto(plan);
        sendToAll(message);
        return message.getSerializedSize();
    }

    private void sendToAll(SchedulerMessage message) {
        ranks.forEach(rank -> rank.stream.send(message));
    }

    /// Sends a heartbeat to every rank, and loses the group when a rank seems to hang. Called once
    /// a second.
    void beat() {
        Heartbeat.Builder heartbeat;
        synchronized (this) {
            if (lost.isPresent()) {
                return;
            }
            heartbeat = Heartbeat.newBuilder().setEpoch(epoch).setLastStep(completed);
        }
        sendToAll(SchedulerMessage.newBuilder().setHeartbeat(heartbeat).build());
        findHung().ifPresent(this::lose);
    }

    private synchronized Optional<String> findHung() {
        long now = clock.nanoTime();
        boolean paused = now - beatNanos > PAUSED.toNanos();
        beatNanos = now;
        if (paused) {
            // This process itself did not run; what the ranks sent meanwhile is not read yet.
            ranks.forEach(rank -> rank.received(now));
            ranks.forEach(rank -> rank.begins(now));
            return Optional.empty();
        }
        Optional<String> stuck = findStuckInCanary(now);
        if (stuck.isPresent()) {
            return stuck;
        }
        for (GroupRank rank : ranks) {
            // Before it joined, a rank may be loading; the time limit of joining covers that.
            if (rank.joined.isDone() && rank.isSilent(now, HUNG)) {
                return Optional.of(rank.name() + " was silent for " + HUNG.toSeconds() + " s");
            }
            if (rank.answered() < sent && rank.isStuck(now, HUNG)) {
                return Optional.of(
                        rank.name()
                                + " made no progress in step "
                                + (rank.answered() + 1)
                                + " for "
                                + HUNG.toSeconds()
                                + " s");
            }
        }
        return Optional.empty();
    }

    /// Returns which ranks have not answered a canary step in time: they must end, since nobody
    /// asks them for anything else.
    private Optional<String> findStuckInCanary(long now) {
        // The others wait for a rank that is silent, which is found next.
        if (ranks.stream().anyMatch(rank -> rank.isSilent(now, PAUSED))) {
            return Optional.empty();
        }
        List<Integer> stuck =
                canaries.owing().stream()
                        .filter(rank -> ranks.get(rank).isStuck(now, HUNG))
                        .toList();
        return stuck.isEmpty()
                ? Optional.empty()
                : Optional.of(
                        expel(
                                new WrongResult(
                                        stuck,
                                        "no progress in a canary step for %d s"
                                                .formatted(HUNG.toSeconds()))));
    }

    @Override
    public void received(int number, WorkerMessage message) {
        var done = new ArrayList<StepResult>();
        Optional<String> fault;
        synchronized (this) {
            GroupRank rank = ranks.get(number);
            rank.received(clock.nanoTime());
            fault =
                    switch (message.getMessageCase()) {
                        case JOINED -> rank.joins(epoch, message.getJoined());
                        case FORMED -> {
                            rank.formed.complete(message.getFormed());
                            yield Optional.empty();
                        }
                        case RESULT -> answered(rank, message.getResult(), done);
                        case HEARTBEAT -> {
                            rank.progressed(message.getHeartbeat().getProgress());
                            yield Optional.empty();
                        }
                        case CANARY -> canary(rank, message.getCanary());
                        case ERROR -> Optional.of(message.getError().getMessage());
                        case MESSAGE_NOT_SET -> Optional.of("sent an empty message");
                    };
            if (expelled.isEmpty()) {
                fault = fault.map(text -> rank.name() + ": " + text);
            }
        }
        done.forEach(result -> listener.stepCompleted(this, result));
        fault.ifPresent(this::lose);
    }

    private Optional<String> answered(
            GroupRank rank, dev.lockstep.proto.v1.StepResult result, List<StepResult> done) {
        Optional<String> refused = rank.answers(epoch, sent, result);
        if (refused.isPresent()) {
            return refused;
        }
        slow.answered(rank.number, result);
        if (rank.number == 0) {
            results.add(RankStream.fromProto(result));
        }
        while (ranks.stream().allMatch(each -> each.answered() > completed)) {
            Optional<String> wrong = wrongChecksum(completed + 1);
            if (wrong.isPresent()) {
                return wrong;
            }
            ranks.forEach(GroupRank::removeOldestChecksum);
            completed++;
            done.add(results.remove());
            if (slow.completed(clock.nanoTime())) {
                logSlow();
            }
        }
        return Optional.empty();
    }

    private void logSlow() {
        slowRank()
                .ifPresentOrElse(
                        name -> LOG.warn("{} is slow: the other ranks wait for it", name),
                        () -> LOG.info("no rank is slow any more"));
    }

    /// Returns the name of the rank that the others wait for most of the time.
    synchronized Optional<String> slowRank() {
        return slow.rank().stream().mapToObj(rank -> ranks.get(rank).name()).findFirst();
    }

    /// Returns why the oldest step that all ranks have answered is wrong. It stays the oldest one:
    /// neither it nor a later one completes.
    private Optional<String> wrongChecksum(long number) {
        List<Integer> checksums =
                ranks.stream()
                        .flatMapToInt(rank -> rank.oldestChecksum().stream())
                        .boxed()
                        .toList();
        if (checksums.isEmpty()) {
            return Optional.empty();
        }
        if (checksums.size() < ranks.size()) {
            return Optional.of("some ranks sent no checksum of step " + number);
        }
        return WrongResult.ofChecksums("the checksum of step " + number, checksums)
                .map(this::expel);
    }

    private Optional<String> canary(GroupRank rank, CanaryResult result) {
        if (!canaries.isExpected(rank.number, result)) {
            return Optional.of(
                    "answered canary step " + result.getNumber() + ", which was not sent");
        }
        rank.progressed();
        return canaries.answered(rank.number, result).map(this::expel);
    }

    /// Notes the processes that must not compute any more, and returns why the group is lost.
    private String expel(WrongResult wrong) {
        Map<String, String> named = new HashMap<>();
        for (int rank : wrong.suspects()) {
            named.put(ranks.get(rank).member.incarnation(), wrong.reason());
        }
        expelled = Map.copyOf(named);
        return wrong.reason() + "; " + wrong.names() + " must start again";
    }

    /// Returns why processes must not compute any more, by their incarnations.
    synchronized Map<String, String> expelled() {
        return expelled;
    }

    /// Gives up the group because ranks have computed something wrong.
    void lose(WrongResult wrong) {
        String reason;
        synchronized (this) {
            reason = expel(wrong);
        }
        lose(reason);
    }

    @Override
    public void ended(int number, Status status, Metadata trailers) {
        String reason;
        Optional<String> highest = Optional.ofNullable(trailers.get(EPOCH_TRAILER));
        synchronized (this) {
            String description = status.getDescription();
            reason =
                    ranks.get(number).name()
                            + " is lost: "
                            + status.getCode()
                            + (description == null ? "" : " " + description);
        }
        if (status.getCode() == Status.Code.ABORTED) {
            // The rank works, and leaves.
            giveUp(reason);
        } else if (status.getCode() != Status.Code.FAILED_PRECONDITION) {
            lose(reason);
        } else if (highest.filter(text -> text.matches("[0-9]{1,18}")).isPresent()) {
            lose(FormationException.stale(reason, Long.parseLong(highest.get())));
        } else {
            lose(FormationException.refused(reason));
        }
    }

    /// Gives up the group because a rank has failed: every stream is cancelled, so that no rank
    /// waits for another.
    void lose(String reason) {
        lose(FormationException.lost(reason));
    }

    /// Gives up the group although no rank has failed.
    void giveUp(String reason) {
        lose(FormationException.lost(reason), GroupLoss.Cause.GIVEN_UP);
    }

    /// Gives up the group to form it anew with another number of ranks.
    void resize(int number) {
        lose(
                FormationException.lost("it is formed anew with %d ranks".formatted(number)),
                GroupLoss.Cause.RESIZED);
    }

    private void lose(FormationException why) {
        lose(why, GroupLoss.Cause.RANK_FAILED);
    }

    private void lose(FormationException why, GroupLoss.Cause cause) {
        synchronized (this) {
            if (lost.isPresent()) {
                return;
            }
            lost = Optional.of(why);
        }
        for (GroupRank rank : ranks) {
            rank.stream.cancel();
            rank.joined.completeExceptionally(why);
            rank.formed.completeExceptionally(why);
        }
        int wrong = expelled().size();
        listener.groupLost(
                this,
                new GroupLoss(
                        String.valueOf(why.getMessage()),
                        wrong > 0 ? GroupLoss.Cause.GIVEN_UP : cause,
                        wrong));
    }

    synchronized boolean isLost() {
        return lost.isPresent();
    }

    @Override
    public void close() {
        giveUp("closed");
    }
}
