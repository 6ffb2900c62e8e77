// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.Leadership;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import dev.lockstep.scheduler.GroupShape;
import dev.lockstep.scheduler.KvGroupShape;
import dev.lockstep.scheduler.StepResult;
import io.grpc.Status;
import java.time.Duration;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Keeps the group formed while this scheduler leads: waits for all ranks, joins them under a new
/// epoch, passes the group to the step loop, and starts again when the group is lost.
///
/// It has a separate thread, because all of this blocks; [SchedulerMain] closes it before the step
/// loop.
final class GroupKeeper implements AutoCloseable {
    private static final Duration JOIN_TIMEOUT = Duration.ofSeconds(30);
    // Warm-up measures steps; a rank that hangs in it is detected by its heartbeat.
    private static final Duration FORM_TIMEOUT = Duration.ofMinutes(5);
    private static final Duration EXPULSION_TIMEOUT = Duration.ofSeconds(2);
    private static final Duration MIN_BACKOFF = Duration.ofMillis(100);
    private static final Duration MAX_BACKOFF = Duration.ofSeconds(2);
    private static final Duration LONG_WAIT = Duration.ofSeconds(30);
    private static final Logger LOG = LogManager.getLogger(GroupKeeper.class);

    private final SchedulerConfig config;
    private final Cluster cluster;
    private final Registration registration;
    private final Dialer dialer;
    private final StepLoopInbox inbox;
    private final GroupSize size;
    private final Clock clock;
    private final Randomness randomness;
    private final Thread thread;
    private final byte[] hashKey;
    private final FormationNotices notices;
    private final KnownCanary canary = new KnownCanary();
    // Why processes must not compute any more, by their incarnations: errors in memory and devices
    // are rare, so that it stays small.
    private final Map<String, String> expelled = new HashMap<>();
    private final HeapBudget heap = HeapBudget.ofProcess();
    // At most one entry, which says that something changed.
    private final BlockingQueue<Boolean> changes = new LinkedBlockingQueue<>(1);
    private long highestEpoch;
    private Duration backoff = MIN_BACKOFF;
    private List<String> tried = List.of();
    private long retryNanos;

    GroupKeeper(
            SchedulerConfig config,
            Cluster cluster,
            Registration registration,
            Dialer dialer,
            StepLoopInbox inbox,
            GroupSize size,
            byte[] hashKey,
            FormationNotices notices,
            Clock clock,
            Randomness randomness) {
        this.config = config;
        this.cluster = cluster;
        this.registration = registration;
        this.dialer = dialer;
        this.inbox = inbox;
        this.size = size;
        this.hashKey = hashKey;
        this.notices = notices;
        this.clock = clock;
        this.randomness = randomness;
        this.thread = Thread.ofPlatform().name("group-keeper").unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    private void run() {
        String contender = registration.member().incarnation();
        size.onChange(this::signalChange);
        try (var _ = cluster.membership().listen(_ -> signalChange());
                Leadership leadership =
                        cluster.contend(config.group(), contender, new LeadershipListener())) {
            while (true) {
                turn(leadership);
            }
        } catch (InterruptedException e) {
            LOG.debug("the group keeper stops");
        }
    }

    private final class LeadershipListener implements Leadership.Listener {
        @Override
        public void elected() {
            LOG.info("this scheduler leads group {}", config.group());
            signalChange();
        }

        @Override
        public void deposed() {
            LOG.warn("another scheduler leads group {}", config.group());
            signalChange();
        }
    }

    private void signalChange() {
        // An entry that was not read yet has the same effect.
        boolean first = changes.offer(true);
        LOG.trace("change signalled, first: {}", first);
    }

    private void awaitChange(Duration timeout) throws InterruptedException {
        Boolean change = changes.poll(timeout.toNanos(), TimeUnit.NANOSECONDS);
        LOG.trace("woken by {}", change);
    }

    private void turn(Leadership leadership) throws InterruptedException {
        if (!leadership.leading()) {
            inbox.groupUnready(
                    Status.FAILED_PRECONDITION.withDescription(
                            "this scheduler does not lead group " + config.group()));
            awaitChange(LONG_WAIT);
            return;
        }
        AnnouncedRanks announced =
                AnnouncedRanks.of(cluster.membership().snapshot(), config.group(), size.ranks());
        List<Member> members = announced.members();
        if (expel(members, leadership)) {
            return;
        }
        if (!announced.missing().isEmpty()) {
            inbox.groupUnready(Status.UNAVAILABLE.withDescription(announced.missing()));
            awaitChange(LONG_WAIT);
            return;
        }
        try {
            if (announced.incarnations().equals(tried)) {
                awaitChange(remainingBackoff());
                if (!remainingBackoff().isZero()) {
                    return;
                }
            }
            tried = announced.incarnations();
            OptionalLong epoch = leadership.nextEpoch(highestEpoch);
            if (epoch.isEmpty()) {
                waitBeforeRetry(MAX_BACKOFF);
                return;
            }
            highestEpoch = epoch.getAsLong();
            keep(members, leadership);
        } catch (FormationException e) {
            unformed(e);
        }
    }

    /// Ends the announced processes that must not compute any more. Returns whether there were any;
    /// then others are awaited.
    private boolean expel(List<Member> members, Leadership leadership) throws InterruptedException {
        List<Member> leaving =
                members.stream()
                        .filter(member -> expelled.containsKey(member.incarnation()))
                        .toList();
        if (leaving.isEmpty()) {
            return false;
        }
        inbox.groupUnready(
                Status.UNAVAILABLE.withDescription(
                        leaving.getFirst().describe()
                                + " starts again: "
                                + expelled.get(leaving.getFirst().incarnation())));
        OptionalLong epoch = leadership.nextEpoch(highestEpoch);
        if (epoch.isPresent()) {
            highestEpoch = epoch.getAsLong();
            Expulsion.tell(
                    config.group(), highestEpoch, leaving, expelled, dialer, EXPULSION_TIMEOUT);
        }
        awaitChange(MAX_BACKOFF);
        return true;
    }

    private void unformed(FormationException why) {
        inbox.groupUnready(Status.UNAVAILABLE.withDescription(why.getMessage()));
        if (why.highestEpoch() > highestEpoch) {
            LOG.info("a rank has seen epoch {}, above {}", why.highestEpoch(), highestEpoch);
            highestEpoch = why.highestEpoch();
            waitBeforeRetry(Duration.ZERO);
            return;
        }
        LOG.warn("group {} is not formed: {}", config.group(), why.getMessage());
        notices.failed(why);
        if (why.isRefusal()) {
            size.refuse(String.valueOf(why.getMessage()));
        }
        waitBeforeRetry(why.isRefusal() ? LONG_WAIT : backoff);
        backoff = backoff.multipliedBy(2);
        if (backoff.compareTo(MAX_BACKOFF) > 0) {
            backoff = MAX_BACKOFF;
        }
    }

    /// Sets the time before which the same processes are not tried again; others are tried at once.
    private void waitBeforeRetry(Duration wait) {
        retryNanos = clock.nanoTime() + wait.toNanos();
    }

    private Duration remainingBackoff() {
        return Duration.ofNanos(Math.max(0, retryNanos - clock.nanoTime()));
    }

    /// Forms the group and keeps it until it is lost or this scheduler no longer leads.
    private void keep(List<Member> members, Leadership leadership)
            throws FormationException, InterruptedException {
        try (WorkerGroup workers =
                WorkerGroup.dial(highestEpoch, members, dialer, clock, new GroupListener())) {
            keep(workers, members, leadership);
        } finally {
            announceStarting();
        }
    }

    private void keep(WorkerGroup workers, List<Member> members, Leadership leadership)
            throws FormationException, InterruptedException {
        try {
            FormedGroup formed = form(workers, members);
            backoff = MIN_BACKOFF;
            notices.formed();
            announce(formed, Member.State.READY);
            inbox.groupFormed(formed);
            while (!workers.isLost() && leadership.leading() && size.ranks() == members.size()) {
                awaitChange(LONG_WAIT);
            }
            if (leadership.leading()) {
                workers.resize(size.ranks());
            } else {
                workers.giveUp("another scheduler leads");
            }
            waitBeforeRetry(MIN_BACKOFF);
        } finally {
            Map<String, String> wrong = workers.expelled();
            if (!wrong.isEmpty()) {
                expelled.putAll(wrong);
                notices.wrong(wrong.size(), wrong.values().iterator().next());
            }
        }
    }

    /// Passes events of the group to the step loop, and wakes the keeper when the group is lost.
    private final class GroupListener implements WorkerGroup.Listener {
        @Override
        public void stepCompleted(WorkerGroup group, StepResult result) {
            inbox.stepCompleted(group, result);
        }

        @Override
        public void groupLost(WorkerGroup group, GroupLoss loss) {
            inbox.groupLost(group, loss);
            signalChange();
        }
    }

    private FormedGroup form(WorkerGroup workers, List<Member> members)
            throws FormationException, InterruptedException {
        long startNanos = clock.nanoTime();
        LOG.info(
                "group {} joins {} ranks in epoch {}",
                config.group(),
                members.size(),
                workers.epoch());
        List<Joined> joined = workers.join(config.group(), hashKey, JOIN_TIMEOUT);
        String rendezvous =
                config.group()
                        + "-"
                        + workers.epoch()
                        + "-"
                        + HexFormat.of().toHexDigits(randomness.nextLong());
        CommonBlocks held =
                config.policies().prefixCache() ? CommonBlocks.of(joined) : CommonBlocks.NONE;
        Form form =
                Handshake.agree(
                                joined,
                                rendezvous,
                                config.maxSequences(),
                                config.maxBatchedTokens().orElse(0))
                        .toBuilder()
                        .setKeepBlocks(!held.blocks().isEmpty())
                        .setCheckInterval(config.checkInterval())
                        .build();
        Joined first = joined.getFirst();
        heap.requireRoomFor(form.getKvBlocks(), first.getBlockSize(), kvGroups(first));
        List<Formed> formed = workers.form(form, FORM_TIMEOUT);
        requireRight(workers, joined, CanaryAnswer.of(formed));
        FormedGroup group = group(workers, first, form, formed, held);
        LOG.info(
                "group {} is formed in epoch {}: {} blocks, {} of them kept, {} sequences, {} tokens a step, {} ms",
                config.group(),
                workers.epoch(),
                group.shape().blocks(),
                held.blocks().size(),
                group.shape().maxSequences(),
                group.shape().measuredTokens() > 0
                        ? group.shape().measuredTokens()
                        : group.shape().maxBatchedTokens(),
                Duration.ofNanos(clock.nanoTime() - startNanos).toMillis());
        return group;
    }

    /// Gives up a group whose first canary step is wrong.
    private void requireRight(WorkerGroup workers, List<Joined> joined, CanaryAnswer found)
            throws FormationException {
        Optional<WrongResult> wrong = canary.check(joined, found);
        if (wrong.isPresent()) {
            workers.lose(wrong.get());
            throw FormationException.lost(wrong.get().reason());
        }
        workers.expectCanary(found);
    }

    private static FormedGroup group(
            WorkerGroup workers, Joined first, Form form, List<Formed> formed, CommonBlocks held)
            throws FormationException {
        int tokens = form.getMaxNumBatchedTokens();
        int limit = Integer.MAX_VALUE;
        for (Formed one : formed) {
            tokens = Handshake.minGiven(tokens, one.getMaxNumBatchedTokens());
            limit = Math.min(limit, one.getStepTokenLimit());
        }
        boolean measured = form.getMaxNumBatchedTokens() == 0 && limit >= tokens;
        try {
            var shape =
                    new GroupShape(
                            form.getEpoch(),
                            form.getMaxNumSeqs(),
                            measured ? limit : tokens,
                            formed.getFirst().getDoublingPosition(),
                            measured ? tokens : 0,
                            first.getMaxModelLen(),
                            first.getBlockSize(),
                            first.getPromptSpan(),
                            Math.toIntExact(form.getKvBlocks()),
                            kvGroups(first));
            return new FormedGroup(
                    workers,
                    shape,
                    first.getModel(),
                    first.getModelDigest(),
                    first.getVocabSize(),
                    formed.stream().map(Formed::getInfo).toList(),
                    held);
        } catch (IllegalArgumentException e) {
            throw FormationException.refused("the ranks cannot be served: " + e.getMessage());
        }
    }

    private static List<KvGroupShape> kvGroups(Joined joined) {
        return joined.getKvGroupsList().stream().map(GroupKeeper::fromProto).toList();
    }

    static KvGroupShape fromProto(KvGroupInfo proto) {
        KvGroupShape.Kind kind =
                switch (proto.getKind()) {
                    case "full" -> KvGroupShape.Kind.FULL;
                    case "window" -> KvGroupShape.Kind.WINDOW;
                    case "state" -> KvGroupShape.Kind.STATE;
                    case "none" -> KvGroupShape.Kind.NONE;
                    default ->
                            throw new IllegalArgumentException(
                                    "KV group of kind \"" + proto.getKind() + "\"");
                };
        return new KvGroupShape(
                kind, proto.getWindow(), proto.getBytesPerBlock(), proto.getLayers());
    }

    private void announce(FormedGroup formed, Member.State state) {
        registration.update(
                registration
                        .member()
                        .withAttributes(
                                Map.of(
                                        "model",
                                        formed.model(),
                                        "digest",
                                        formed.modelDigest(),
                                        Member.RANKS,
                                        Integer.toString(formed.ranks().size())))
                        .withState(state));
    }

    private void announceStarting() {
        if (registration.member().ready()) {
            registration.update(registration.member().withState(Member.State.STARTING));
        }
    }

    @Override
    public void close() {
        thread.interrupt();
        try {
            thread.join(Duration.ofSeconds(1));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
