package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Membership;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.DescribeRequestRequest;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.SchedulerGrpc;
import io.grpc.ManagedChannel;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The schedulers this coordinator knows: watches them all, and sends each request to one.
///
/// Members are found through [Membership]; whether one serves, its own heartbeat says. A scheduler
/// that has left the membership is kept as long as it answers, so that serving does not depend on
/// ZooKeeper. Links belong to one thread; everybody else reads the snapshot. Whoever makes it
/// closes it.
public final class SchedulerClient implements AutoCloseable {
    private static final Duration TICK = Duration.ofMillis(500);
    private static final Logger LOG = LogManager.getLogger(SchedulerClient.class);

    private final Clock clock;
    private final Runnable changed;
    private final EventLoopGroup eventLoop =
            new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ScheduledThreadPoolExecutor owner;
    private volatile Optional<Membership.Subscription> subscription = Optional.empty();
    private final AtomicLong turn = new AtomicLong();

    // Of the owner's thread.
    private final Map<String, SchedulerLink> links = new HashMap<>();
    private Set<String> announced = Set.of();

    private volatile Membership.Snapshot members = Membership.Snapshot.EMPTY;
    private volatile Optional<BlockHasher> hasher = Optional.empty();
    private volatile Snapshot snapshot = new Snapshot(List.of(), Map.of());

    /// What is known at one moment.
    private record Snapshot(List<GroupView> groups, Map<String, SchedulerLink> links) {}

    /// What one scheduler was asked about a request.
    public record Described(String group, Future<RequestTimeline> answer) {}

    /// @param changed called on the client's own thread after every change of [#groups]
    public SchedulerClient(Clock clock, Runnable changed) {
        this.clock = clock;
        this.changed = changed;
        owner =
                new ScheduledThreadPoolExecutor(
                        1, Thread.ofPlatform().daemon().name("schedulers").factory());
        owner.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        var _ =
                owner.scheduleWithFixedDelay(
                        this::tick, TICK.toMillis(), TICK.toMillis(), TimeUnit.MILLISECONDS);
    }

    /// Watches the schedulers of this membership from now on; called once.
    public void follow(Membership membership) {
        subscription =
                Optional.of(
                        membership.listen(
                                now -> {
                                    members = now;
                                    execute(() -> follow(now.members(Member.Role.SCHEDULER)));
                                }));
    }

    /// Lets requests go where their prefix is cached, from now on.
    ///
    /// @param named how the schedulers of this cluster name blocks
    public void nameBlocksBy(BlockHasher named) {
        hasher = Optional.of(named);
    }

    /// Everybody in the cluster, as last heard.
    public Membership.Snapshot members() {
        return members;
    }

    /// All groups, ready or not; a group with two schedulers appears twice.
    public List<GroupView> groups() {
        return snapshot.groups();
    }

    /// The groups that serve the model now.
    public List<GroupView> ready(String model) {
        return groups().stream()
                .filter(group -> group.ready() && group.status().getModel().equals(model))
                .toList();
    }

    /// Sends the request to the best group that is not excluded; nothing when there is none.
    ///
    /// @param index which call of the inbox's completion it is
    public Optional<SchedulerCall> send(
            EngineRequest request, int index, CompletionInbox inbox, Set<String> excluded) {
        Snapshot now = snapshot;
        return Router.choose(
                        candidates(request, now.groups()),
                        request.model(),
                        excluded,
                        turn.getAndIncrement())
                .map(chosen -> send(request, index, inbox, chosen, now));
    }

    /// Asks every scheduler that answers at all what happened to a request, all at the same time.
    public List<Described> describe(String requestId, Duration timeout) {
        DescribeRequestRequest question =
                DescribeRequestRequest.newBuilder().setRequestId(requestId).build();
        Snapshot now = snapshot;
        List<Described> asked = new ArrayList<>();
        for (GroupView group : now.groups()) {
            SchedulerLink link = now.links().get(group.id());
            if (group.alive() && link != null) {
                asked.add(
                        new Described(
                                group.status().getGroup(),
                                SchedulerGrpc.newFutureStub(link.channel())
                                        .withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS)
                                        .describeRequest(question)));
            }
        }
        return asked;
    }

    /// Nobody looks what is cached where there is no choice.
    private List<Router.Candidate> candidates(EngineRequest request, List<GroupView> groups) {
        PromptBlocks prompt = new PromptBlocks(hasher, request.options(), request.prompt().ids());
        boolean choice = groups.stream().filter(GroupView::ready).count() > 1;
        return groups.stream()
                .map(
                        group ->
                                group.candidate(
                                        choice
                                                ? prompt.cachedTokens(
                                                        group.blocks(),
                                                        group.status().getBlockSize())
                                                : 0))
                .toList();
    }

    private SchedulerCall send(
            EngineRequest request,
            int index,
            CompletionInbox inbox,
            Router.Candidate chosen,
            Snapshot snapshot) {
        int prompt = request.prompt().ids().length;
        for (GroupView group : snapshot.groups()) {
            if (group.id().equals(chosen.id())) {
                group.sent().add(request.sampling().choices(), prompt - chosen.cachedTokens());
                group.routed().add(prompt, chosen.cachedTokens());
            }
        }
        SchedulerLink link = snapshot.links().get(chosen.id());
        if (link == null) {
            throw new IllegalStateException("a group in the snapshot has no link");
        }
        SchedulerCall call = new SchedulerCall(index, inbox, chosen.id());
        SchedulerGrpc.newStub(link.channel()).generate(request.toProto(clock.nanoTime()), call);
        inbox.attach(call);
        return call;
    }

    @Override
    public void close() {
        subscription.ifPresent(Membership.Subscription::close);
        execute(
                () -> {
                    links.values().forEach(SchedulerLink::close);
                    links.clear();
                    publish();
                });
        owner.shutdown();
        var _ = eventLoop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    private void follow(List<Member> schedulers) {
        announced = Set.copyOf(schedulers.stream().map(Member::incarnation).distinct().toList());
        for (Member member : schedulers) {
            links.computeIfAbsent(
                    member.incarnation(),
                    id ->
                            new SchedulerLink(
                                    member, this::dial, this::execute, this::publish, clock));
        }
        forgetGone();
        publish();
    }

    private void tick() {
        try {
            links.values().forEach(SchedulerLink::tick);
            if (forgetGone()) {
                publish();
            }
        } catch (RuntimeException e) {
            // A timer that throws never ticks again.
            LOG.error("looking after the schedulers failed", e);
        }
    }

    private boolean forgetGone() {
        List<SchedulerLink> gone =
                links.values().stream()
                        .filter(link -> !link.view().alive())
                        .filter(link -> !announced.contains(link.member().incarnation()))
                        .toList();
        for (SchedulerLink link : gone) {
            link.close();
            links.remove(link.member().incarnation());
        }
        return !gone.isEmpty();
    }

    private ManagedChannel dial(Member member) {
        return SchedulerChannel.open(member, eventLoop);
    }

    private void publish() {
        snapshot =
                new Snapshot(
                        links.values().stream().map(SchedulerLink::view).toList(),
                        Map.copyOf(links));
        changed.run();
    }

    private void execute(Runnable action) {
        try {
            owner.execute(action);
        } catch (RejectedExecutionException e) {
            // Closed: nobody is interested any more.
        }
    }
}
