// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Membership;
import dev.lockstep.cluster.SocketIo;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.AttachRequest;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.proto.v1.DescribeRequestRequest;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.SchedulerGrpc;
import dev.lockstep.proto.v1.SetDrainingRequest;
import dev.lockstep.proto.v1.SetRanksRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.netty.channel.EventLoopGroup;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// All schedulers known to this coordinator: watches them, and sends each request to one.
///
/// Schedulers are found through [Membership]; their heartbeats say whether they serve. A scheduler
/// that has left the membership is kept while its heartbeat arrives, so that serving does not
/// depend on ZooKeeper. Links are confined to one thread; other threads read the snapshot.
public final class SchedulerClient implements AutoCloseable {
    private static final Duration TICK = Duration.ofMillis(500);
    private static final Logger LOG = LogManager.getLogger(SchedulerClient.class);

    private final Clock clock;
    private final ClusterAccess access;
    private final Runnable changed;
    private final EventLoopGroup eventLoop = SocketIo.eventLoop();
    private final ScheduledThreadPoolExecutor owner;
    private volatile Optional<Membership.Subscription> subscription = Optional.empty();
    private final AtomicLong turn = new AtomicLong();

    // Confined to the owner's thread.
    private final Map<String, SchedulerLink> links = new HashMap<>();
    private Set<String> announced = Set.of();

    private volatile Membership.Snapshot members = Membership.Snapshot.EMPTY;
    private volatile Optional<BlockHasher> hasher = Optional.empty();
    private volatile Snapshot snapshot = new Snapshot(List.of(), Map.of());

    /// All schedulers at one moment.
    private record Snapshot(List<GroupView> groups, Map<String, SchedulerLink> links) {}

    /// A call to one scheduler for the timeline of a request.
    public record TimelineCall(String group, Future<RequestTimeline> response) {}

    /// A call to one scheduler for the requests that it keeps.
    public record SearchCall(String scheduler, Future<AttachSearchResponse> response) {}

    /// @param changed runs on the client's own thread after every change of [#groups]
    public SchedulerClient(Clock clock, ClusterAccess access, Runnable changed) {
        this.clock = clock;
        this.access = access;
        this.changed = changed;
        owner =
                new ScheduledThreadPoolExecutor(
                        1, Thread.ofPlatform().daemon().name("schedulers").factory());
        owner.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        var _ =
                owner.scheduleWithFixedDelay(
                        this::tick, TICK.toMillis(), TICK.toMillis(), TimeUnit.MILLISECONDS);
    }

    /// The threads without which nothing is sent to a scheduler or received from one.
    public List<Executor> threads() {
        return List.of(owner, eventLoop);
    }

    /// Starts to watch the schedulers of this membership; called once.
    public void follow(Membership membership) {
        subscription =
                Optional.of(
                        membership.listen(
                                now -> {
                                    members = now;
                                    execute(() -> follow(now.members(Member.Role.SCHEDULER)));
                                }));
    }

    /// Sets how the schedulers of this cluster name blocks; from then on cached prefixes count in
    /// the choice of a group.
    public void setBlockHasher(BlockHasher blockHasher) {
        hasher = Optional.of(blockHasher);
    }

    /// Returns the members of the cluster, as last reported.
    public Membership.Snapshot members() {
        return members;
    }

    /// Returns all groups, ready or not; a group with two schedulers appears twice.
    public List<GroupView> groups() {
        return snapshot.groups();
    }

    /// Returns the groups that serve the model now.
    public List<GroupView> ready(String model) {
        return groups().stream()
                .filter(group -> group.ready() && group.status().getModel().equals(model))
                .toList();
    }

    /// Whether a group can go on with a request of the model that was accepted.
    public boolean runs(String model) {
        return groups().stream()
                .anyMatch(group -> group.runs() && group.status().getModel().equals(model));
    }

    /// Sends the request to the best group that is not excluded; returns empty if there is none.
    /// One that is formed anew with another number of ranks is used if no other is ready. One that
    /// a scheduler had accepted goes on at a draining group if no other is ready.
    ///
    /// @param progress of the request until now
    /// @param index the index of the call in the inbox's completion
    public Optional<SchedulerCall> send(
            EngineRequest request,
            RequestProgress progress,
            int index,
            CompletionInbox inbox,
            Set<String> excluded) {
        Snapshot now = snapshot;
        return choose(request, now.groups(), GroupView::computes, excluded)
                .or(() -> choose(request, now.groups(), GroupView::ready, excluded))
                .or(
                        () ->
                                progress.isAccepted()
                                        ? choose(request, now.groups(), GroupView::runs, excluded)
                                        : Optional.empty())
                .map(chosen -> send(request, progress, index, inbox, chosen, now));
    }

    /// @param open whether a group accepts the request
    private Optional<Router.Candidate> choose(
            EngineRequest request,
            List<GroupView> groups,
            Predicate<GroupView> open,
            Set<String> excluded) {
        return Router.choose(
                candidates(request, groups, open),
                request.model(),
                excluded,
                turn.getAndIncrement());
    }

    /// Whether the group of this scheduler runs nothing now, and another of the model does.
    public boolean mustMove(String scheduler, String model) {
        boolean another = false;
        for (GroupView group : groups()) {
            boolean serves = group.computes() && group.status().getModel().equals(model);
            if (group.id().equals(scheduler) && group.runs() && group.hasBlocks()) {
                return false;
            }
            another |= serves && !group.id().equals(scheduler);
        }
        return another;
    }

    /// Gives up the connection to a scheduler that has not answered a request.
    public void unanswered(String scheduler) {
        execute(
                () -> {
                    SchedulerLink link = links.get(scheduler);
                    if (link != null) {
                        link.unanswered();
                    }
                });
    }

    /// Goes on with a request that a scheduler keeps; returns empty if the scheduler is gone.
    ///
    /// @param index the index of the call in the inbox's completion
    public Optional<SchedulerCall> attach(
            String scheduler, AttachRequest request, int index, CompletionInbox inbox) {
        SchedulerLink link = snapshot.links().get(scheduler);
        if (link == null) {
            return Optional.empty();
        }
        var call = new SchedulerCall(index, request.getRequestId(), inbox, scheduler);
        SchedulerGrpc.newStub(link.channel()).attach(request, call.observer());
        inbox.attach(call);
        return Optional.of(call);
    }

    /// Asks all schedulers at the same time which requests of a response they keep. The answer of
    /// one that is announced and not connected fails at once.
    public List<SearchCall> search(AttachSearchRequest question, Duration timeout) {
        Snapshot now = snapshot;
        List<SearchCall> calls = new ArrayList<>();
        for (GroupView group : now.groups()) {
            SchedulerLink link = now.links().get(group.id());
            if (!group.alive() || link == null) {
                var silent = Status.UNAVAILABLE.withDescription("it is not connected");
                calls.add(
                        new SearchCall(
                                group.id(),
                                CompletableFuture.failedFuture(silent.asRuntimeException())));
            } else {
                calls.add(new SearchCall(group.id(), asking(link, timeout).attachSearch(question)));
            }
        }
        return calls;
    }

    private static SchedulerGrpc.SchedulerFutureStub asking(SchedulerLink link, Duration timeout) {
        return SchedulerGrpc.newFutureStub(link.channel())
                .withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    /// Starts or ends the drain of a group; blocks.
    ///
    /// @param scheduler the leader, [GroupView#id]
    /// @throws io.grpc.StatusRuntimeException when it does not
    public void setDraining(String scheduler, boolean wanted, Duration timeout) {
        var _ =
                blocking(scheduler, timeout)
                        .setDraining(SetDrainingRequest.newBuilder().setDraining(wanted).build());
    }

    /// Forms a group anew with another number of ranks; blocks until it serves with them.
    ///
    /// @param scheduler the leader, [GroupView#id]
    /// @throws io.grpc.StatusRuntimeException when it does not
    public void setRanks(String scheduler, int ranks, Duration timeout) {
        var _ =
                blocking(scheduler, timeout)
                        .setRanks(SetRanksRequest.newBuilder().setRanks(ranks).build());
    }

    private SchedulerGrpc.SchedulerBlockingStub blocking(String scheduler, Duration timeout) {
        SchedulerLink link = snapshot.links().get(scheduler);
        if (link == null) {
            throw Status.UNAVAILABLE
                    .withDescription("its scheduler has just left")
                    .asRuntimeException();
        }
        return SchedulerGrpc.newBlockingStub(link.channel())
                .withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    /// Requests the timeline of a tenant's request from all live schedulers at the same time.
    public List<TimelineCall> describe(String requestId, String tenant, Duration timeout) {
        DescribeRequestRequest question =
                DescribeRequestRequest.newBuilder()
                        .setRequestId(requestId)
                        .setTenant(tenant)
                        .build();
        Snapshot now = snapshot;
        List<TimelineCall> calls = new ArrayList<>();
        for (GroupView group : now.groups()) {
            SchedulerLink link = now.links().get(group.id());
            if (group.alive() && link != null) {
                calls.add(
                        new TimelineCall(
                                group.status().getGroup(),
                                asking(link, timeout).describeRequest(question)));
            }
        }
        return calls;
    }

    /// Cached prefixes are looked up only if several groups are open.
    private List<Router.Candidate> candidates(
            EngineRequest request, List<GroupView> groups, Predicate<GroupView> open) {
        var prompt = new PromptBlocks(hasher, request.options(), request.prompt().ids());
        boolean severalOpen = groups.stream().filter(open).count() > 1;
        return groups.stream()
                .map(
                        group ->
                                group.candidate(
                                        open.test(group),
                                        severalOpen
                                                ? prompt.cachedTokens(
                                                        group.blocks(),
                                                        group.status().getBlockSize(),
                                                        group.status().getPromptSpan())
                                                : 0))
                .toList();
    }

    private SchedulerCall send(
            EngineRequest request,
            RequestProgress progress,
            int index,
            CompletionInbox inbox,
            Router.Candidate chosen,
            Snapshot snapshot) {
        SchedulerLink link = snapshot.links().get(chosen.id());
        if (link == null) {
            throw new IllegalStateException("a group in the snapshot has no link");
        }
        link.sent()
                .add(
                        request.sampling().choices(),
                        request.prompt().length(),
                        chosen.cachedTokens());
        var call = new SchedulerCall(index, request.id(), inbox, chosen.id());
        SchedulerGrpc.newStub(link.channel())
                .generate(request.toProto(progress, clock.nanoTime()), call.observer());
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
        removeDead();
        publish();
    }

    private void tick() {
        try {
            links.values().forEach(SchedulerLink::tick);
            if (removeDead()) {
                publish();
            }
        } catch (RuntimeException e) {
            // A task that throws is never scheduled again.
            LOG.error("checking the schedulers failed", e);
        }
    }

    private boolean removeDead() {
        List<SchedulerLink> dead =
                links.values().stream()
                        .filter(link -> !link.view().alive())
                        .filter(link -> !announced.contains(link.member().incarnation()))
                        .toList();
        for (SchedulerLink link : dead) {
            link.close();
            links.remove(link.member().incarnation());
        }
        return !dead.isEmpty();
    }

    private ManagedChannel dial(Member member) {
        return SchedulerChannel.open(member, access, eventLoop);
    }

    private void publish() {
        snapshot =
                new Snapshot(
                        links.values().stream().map(SchedulerLink::view).toList(),
                        Map.copyOf(links));
        changed.run();
    }

    /// Runs an action and logs its failure, which the executor would keep to itself.
    private static void run(Runnable action) {
        try {
            action.run();
        } catch (RuntimeException e) {
            LOG.error("following the schedulers failed", e);
        }
    }

    private void execute(Runnable action) {
        try {
            owner.execute(() -> run(action));
        } catch (RejectedExecutionException e) {
            // The client is closed.
        }
    }
}
