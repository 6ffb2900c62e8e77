// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.InternalAddress;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.proto.v1.DescribeRequestRequest;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerGrpc;
import dev.lockstep.proto.v1.WatchGroupRequest;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.FakeWorker;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.Policies;
import dev.lockstep.scheduler.Scheduler;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A whole scheduler process without sockets and ZooKeeper, with fake ranks.
final class Rig implements AutoCloseable {
    final FixedCluster cluster;
    final Randomness randomness = Randomness.secure();
    final List<FakeRank> ranks = new ArrayList<>();
    final BlockingQueue<String> notices = new LinkedBlockingQueue<>();
    final BlockingQueue<String> wishes = new LinkedBlockingQueue<>();
    final GroupSize size;

    /// How far the loop's clock is ahead.
    final AtomicLong aheadNanos = new AtomicLong();

    final StepLoop loop;
    final Registration registration;
    private final List<Server> servers = new ArrayList<>();
    private final List<Registration> registrations = new ArrayList<>();
    private final GroupKeeper keeper;
    private final ManagedChannel channel;
    private volatile @Nullable Throwable loopFailure;

    Rig() throws IOException {
        this(cluster(), 1, new WaitingLimits(100, 1000));
    }

    static FixedCluster cluster() {
        return new FixedCluster(Runnable::run, Randomness.secure());
    }

    Rig(FixedCluster cluster, int size, WaitingLimits limits) throws IOException {
        this(cluster, size, limits, Duration.ofSeconds(30));
    }

    Rig(FixedCluster cluster, int size, WaitingLimits limits, Duration resumeWindow)
            throws IOException {
        this.cluster = cluster;
        var journal = new BlockJournal("rig");
        this.size = new GroupSize(size, Optional.of(wishes::add));
        var service = new SchedulerService("g", journal, this.size);
        loop =
                new StepLoop(
                        limits,
                        Policies.DEFAULT,
                        resumeWindow,
                        Duration.ZERO,
                        Duration.ofSeconds(1),
                        FakeWorker.KEY,
                        journal,
                        Optional.empty(),
                        () -> Clock.SYSTEM.nanoTime() + aheadNanos.get(),
                        Failpoints.NONE,
                        service::publish,
                        failure -> loopFailure = failure);
        service.serve(loop.inbox());
        loop.start();
        String incarnation = randomness.nextIncarnation();
        servers.add(serve(incarnation, service));
        registration = cluster.register(Member.scheduler("g", "here", 1, incarnation));
        var config =
                new SchedulerConfig(
                        "",
                        "default",
                        "g",
                        InternalAddress.unix(Path.of("/unused"), "scheduler-g"),
                        size,
                        8,
                        Optional.empty(),
                        limits,
                        Policies.DEFAULT,
                        1,
                        Duration.ofSeconds(1),
                        Optional.empty(),
                        Duration.ZERO,
                        resumeWindow,
                        Duration.ZERO,
                        false,
                        Failpoints.NONE);
        keeper =
                new GroupKeeper(
                        config,
                        cluster,
                        registration,
                        Rig::dial,
                        loop.inbox(),
                        this.size,
                        FakeWorker.KEY,
                        new FormationNotices("g", notices::add),
                        Clock.SYSTEM,
                        randomness);
        keeper.start();
        channel = channel(incarnation);
    }

    private static Server serve(String name, io.grpc.BindableService service) throws IOException {
        return InProcessServerBuilder.forName(name)
                .directExecutor()
                .addService(service)
                .build()
                .start();
    }

    /// The host of a member whose address is unusable.
    static final String NOWHERE = "nowhere";

    private static ManagedChannel dial(Member member) {
        if (member.address().host().equals(NOWHERE)) {
            throw new IllegalArgumentException("no such address");
        }
        return channel(member.incarnation());
    }

    private static ManagedChannel channel(String name) {
        return InProcessChannelBuilder.forName(name).directExecutor().build();
    }

    FakeRank startRank(int rank, int size) throws IOException {
        return startRank(rank, size, joined -> joined);
    }

    FakeRank startRank(int rank, int size, UnaryOperator<Joined.Builder> traits)
            throws IOException {
        Member member = Member.worker("g", rank, size, "here", 1, randomness.nextIncarnation());
        var fake = new FakeRank(member, traits);
        servers.add(serve(member.incarnation(), fake));
        registrations.add(cluster.register(member));
        ranks.add(fake);
        return fake;
    }

    /// Ends a rank for good.
    void leave(FakeRank rank) {
        registrations.get(ranks.indexOf(rank)).close();
        rank.die();
    }

    SchedulerGrpc.SchedulerStub stub() {
        return SchedulerGrpc.newStub(channel);
    }

    /// Waits for a status that satisfies `wanted` and returns it.
    GroupStatus awaitStatus(Predicate<GroupStatus> wanted) throws InterruptedException {
        var status = new AtomicReference<>(GroupStatus.getDefaultInstance());
        Eventually.await(
                () -> "another status than " + status.get(),
                () -> {
                    status.set(SchedulerGrpc.newBlockingStub(channel).watchGroup(WATCH).next());
                    return wanted.test(status.get());
                });
        return status.get();
    }

    private static final WatchGroupRequest WATCH = WatchGroupRequest.getDefaultInstance();

    GroupStatus awaitReady() throws InterruptedException {
        return awaitStatus(GroupStatus::getReady);
    }

    /// Creates a request that [FakeWorker#END] ends.
    static GenerateRequest.Builder request(String id, int promptLength, long seed, int maxTokens) {
        SamplingParams.Builder sampling =
                SamplingParams.newBuilder().setTemperature(1).setTopP(1).setSeed(seed);
        GenerateRequest.Builder request =
                GenerateRequest.newBuilder()
                        .setRequestId(id)
                        .setChoices(1)
                        .setMaxTokens(maxTokens)
                        .addStopTokenIds(FakeWorker.END)
                        .setSampling(sampling.build().toByteString());
        for (int i = 0; i < promptLength; i++) {
            request.addPromptIds((int) Long.remainderUnsigned(id.hashCode() * 31L + i, 40));
        }
        return request;
    }

    TestCall generate(GenerateRequest request) {
        var call = new TestCall();
        stub().generate(request, call);
        return call;
    }

    /// Fills all 8 slots of a rank that holds its answers.
    List<TestCall> fillSlots(FakeRank rank) throws InterruptedException {
        rank.hold();
        var calls = new ArrayList<TestCall>();
        for (int i = 0; i < 8; i++) {
            GenerateRequest.Builder request = request("h" + i, 3, i, 30).clearStopTokenIds();
            calls.add(generate(request.build()));
            if (i == 0) {
                Eventually.await("two steps are held", () -> rank.heldSteps() == Scheduler.DEPTH);
            }
        }
        awaitStatus(it -> it.getWaiting() == 7);
        rank.answer();
        awaitStatus(it -> it.getRunning() == 8);
        return calls;
    }

    RequestTimeline describe(String requestId, String tenant) {
        return SchedulerGrpc.newBlockingStub(channel)
                .describeRequest(
                        DescribeRequestRequest.newBuilder()
                                .setRequestId(requestId)
                                .setTenant(tenant)
                                .build());
    }

    static List<Integer> expected(GenerateRequest request, int choice) {
        int[] prompt = request.getPromptIdsList().stream().mapToInt(id -> id).toArray();
        return FakeWorker.expected(
                prompt,
                new Choice(
                        choice,
                        request.getMaxTokens(),
                        request.getMinTokens(),
                        request.getStopTokenIdsList(),
                        FakeRank.seed(request.getSampling()),
                        Payload.of(request.getConstraint().toByteArray())));
    }

    /// Asserts that the loop runs and every block is free.
    void assertQuiet() throws InterruptedException {
        GroupStatus status =
                awaitStatus(
                        it ->
                                it.getRunning() + it.getWaiting() == 0
                                        && it.getBlocksFree() == it.getBlocksTotal());
        assertTrue(loopFailure == null, () -> "the loop failed at " + status + ": " + loopFailure);
    }

    /// Gives up the leadership; the ranks stay.
    void resign() {
        keeper.close();
    }

    @Override
    public void close() {
        keeper.close();
        loop.close();
        channel.shutdownNow();
        servers.forEach(Server::shutdownNow);
    }
}
