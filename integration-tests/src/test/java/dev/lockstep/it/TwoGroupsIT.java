// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.ReservedPorts;
import dev.lockstep.proto.v1.GroupStatus;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Two groups and two coordinators, whose processes find each other only through ZooKeeper.
@Order(1)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(LogsOnFailure.class)
final class TwoGroupsIT {
    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 8);

    /// The number of tokens in the common prefix: four blocks.
    private static final int PREFIX = 64;

    private static final Pattern REFUSAL =
            Pattern.compile("model digest differs: rank 0 has (\\S+), rank 1 has ([^\\s;]+)");

    private final Sandbox sandbox = Sandbox.quick();
    private final int zooKeeperPort = ReservedPorts.next();
    private final Path model = Models.tiny(sandbox, 6);
    private boolean zooKeeperRuns;

    @AfterAll
    void close() {
        sandbox.close();
    }

    /// Only the first order includes ZooKeeper, which serves all runs.
    @ParameterizedTest
    @MethodSource
    void startedInAnyOrderBothGroupsServeAndOneGroupIsEnough(long order) throws Exception {
        try (var cluster = new TwoGroups(sandbox, zooKeeperPort, "order-" + order, model)) {
            cluster.start(order, !zooKeeperRuns);
            zooKeeperRuns = true;
            try (var first = new Api(cluster.port(0));
                    var second = new Api(cluster.port(1));
                    var admin = new Admin(cluster.port(0));
                    var other = new Admin(cluster.port(1))) {
                awaitReady(first, cluster);
                awaitReady(second, cluster);
                awaitReadyGroups(admin, Set.copyOf(cluster.groups()));
                awaitReadyGroups(other, Set.copyOf(cluster.groups()));
                assertBothServe(List.of(first, second), admin, cluster.groups());
                assertRequestsGoToTheGroupWithTheirPrefix(
                        first, admin, cluster.groups(), (int) order);

                int stopped = (int) (order % 2);
                try (var load = new BackgroundLoad(first, SMALL, 2)) {
                    cluster.scheduler(stopped).terminate();
                    cluster.worker(stopped, 0).terminate();
                    cluster.worker(stopped, 1).terminate();
                    awaitReadyGroups(other, Set.of(cluster.groups().get(1 - stopped)));
                    int served = load.count("ok");
                    BoundedWait.await("the other group serves", () -> load.count("ok") > served);
                    assertEquals(Set.of("ok"), load.outcomes().keySet(), load.outcomes()::toString);
                }
                second.post(CompletionBodies.COMPLETIONS, SMALL).ok();
            }
        }
    }

    static LongStream startedInAnyOrderBothGroupsServeAndOneGroupIsEnough() {
        return LongStream.rangeClosed(1, Boolean.getBoolean("lockstep.long") ? 24 : 2);
    }

    /// First the one coordinator and the one group at the same time, then the others. Clients use a
    /// coordinator that is ready, as behind a load balancer.
    @Test
    void aRollingRestartOfEveryProcessFailsNoRequest() throws Exception {
        try (var cluster =
                new TwoGroups(
                        sandbox,
                        zooKeeperPort,
                        "rolling",
                        model,
                        "--failpoints=worker.before-step=sleep:10ms")) {
            cluster.start(7, !zooKeeperRuns);
            zooKeeperRuns = true;
            try (var first = new Api(cluster.port(0));
                    var second = new Api(cluster.port(1))) {
                awaitReady(first, cluster);
                awaitReady(second, cluster);
                StreamMix mix = StreamMix.undisturbed(first, 200);
                var turn = new AtomicInteger();
                try (var load =
                        new BackgroundLoad(
                                () ->
                                        turn.incrementAndGet() % 2 == 0
                                                ? ready(first, second)
                                                : ready(second, first),
                                SMALL,
                                3)) {
                    restart(0, cluster, mix, first, second);
                    restart(1, cluster, mix, second, first);
                    int served = load.count("ok");
                    BoundedWait.await("the cluster serves", () -> load.count("ok") > served + 3);
                    assertEquals(Set.of("ok"), load.outcomes().keySet(), load.outcomes()::toString);
                }
            }
        }
    }

    private static Api ready(Api preferred, Api other) {
        return preferred.isReady() ? preferred : other;
    }

    /// Restarts a coordinator and a group under streams of both coordinators.
    private static void restart(int number, TwoGroups cluster, StreamMix mix, Api own, Api other)
            throws Exception {
        List<StreamMix.Running> streams = new ArrayList<>(mix.begin(own));
        List<StreamMix.Running> others = mix.begin(other);
        LockstepProcess coordinator = cluster.coordinator(number);
        coordinator.signal("TERM");
        BoundedWait.await("it is not ready", () -> own.statusOf("/readyz") == 503);
        // In the grace it serves on.
        own.post(CompletionBodies.COMPLETIONS, SMALL).ok();
        List<LockstepProcess> group =
                List.of(
                        cluster.scheduler(number),
                        cluster.worker(number, 0),
                        cluster.worker(number, 1));
        for (LockstepProcess process : group) {
            process.signal("TERM");
            cluster.replace(process);
        }
        for (List<StreamMix.Running> running : List.of(streams, others)) {
            List<Integer> migrations = mix.requireUndisturbed(running);
            assertTrue(Collections.max(migrations) <= 2, migrations::toString);
        }
        cluster.replace(coordinator);
        try (var admin = new Admin(other.port())) {
            awaitReadyGroups(admin, Set.copyOf(cluster.groups()));
        }
        awaitReady(own, cluster);
    }

    @Test
    void aWorkerWithAnotherModelIsRefusedNamingBothDigests() throws Exception {
        int port = ReservedPorts.next();
        var processes = new SeparateProcesses(sandbox, zooKeeperPort, "wrong-model");
        String group = sandbox.group() + "-c";
        LockstepProcess scheduler = processes.scheduler("wrong-scheduler", group, TwoGroups.RANKS);
        processes.coordinator("wrong-coordinator", model, port);
        processes.worker("wrong-worker-0", model, group, 0, TwoGroups.RANKS);
        LockstepProcess wrong =
                processes.worker(
                        "wrong-worker-1", Models.tiny(sandbox, 7), group, 1, TwoGroups.RANKS);
        if (!zooKeeperRuns) {
            processes.zooKeeper("zookeeper");
            zooKeeperRuns = true;
        }
        try (var api = new Api(port);
                var admin = new Admin(port)) {
            BoundedWait.await("the coordinator listens", () -> api.statusOf("/livez") == 200);
            Matcher refusal =
                    BoundedWait.find(
                            () -> "a refusal: " + admin.status(),
                            () ->
                                    admin.group(group)
                                            .map(GroupStatus::getReason)
                                            .map(REFUSAL::matcher)
                                            .filter(Matcher::find));
            assertNotEquals(refusal.group(1), refusal.group(2));
            BoundedWait.await(
                    "the log contains the refusal",
                    () -> scheduler.errors().contains(refusal.group()));
            assertEquals(503, api.statusOf("/readyz"));

            wrong.terminate();
            processes.worker(
                    "right-worker-1",
                    model,
                    group,
                    1,
                    TwoGroups.RANKS,
                    "--failpoints=worker.before-step=sleep:100ms");
            GroupStatus formed =
                    BoundedWait.find(
                            () -> "the right worker is accepted: " + admin.status(),
                            () -> admin.group(group).filter(GroupStatus::getReady));
            assertEquals(refusal.group(1), formed.getModelDigest());
            BoundedWait.await("the coordinator is ready", api::isReady);
            api.post(CompletionBodies.COMPLETIONS, SMALL).ok();
            // It sleeps in every step, and the other one waits for it.
            BoundedWait.await(
                    "the slow rank is named: " + formed,
                    () -> {
                        api.post(CompletionBodies.COMPLETIONS, SMALL).ok();
                        return admin.group(group)
                                .filter(each -> each.getSlowRank().startsWith("rank 1 ("))
                                .isPresent();
                    });
            assertTrue(
                    api.text("/metrics").contains("lockstep_slow_ranks{group=\"" + group + "\"} 1"),
                    () -> api.text("/metrics"));
        }
    }

    private static void awaitReady(Api api, TwoGroups cluster) throws Exception {
        BoundedWait.await(
                "the coordinator is ready",
                () -> {
                    assertEquals(List.of(), cluster.ended(), "no process ended");
                    return api.isReady();
                });
    }

    private static void awaitReadyGroups(Admin admin, Set<String> expected) throws Exception {
        BoundedWait.find(
                () -> "ready are " + expected + ": " + admin.status(),
                () -> Optional.of(readyGroups(admin)).filter(expected::equals));
    }

    private static Set<String> readyGroups(Admin admin) {
        Set<String> ready = new HashSet<>();
        for (GroupStatus group : admin.status().getGroupsList()) {
            if (group.getReady()) {
                ready.add(group.getGroup());
            }
        }
        return ready;
    }

    /// Asserts that all coordinators generate the same, until both groups have run steps.
    private static void assertBothServe(List<Api> apis, Admin admin, List<String> groups)
            throws Exception {
        Generated expected =
                Generated.of(apis.getFirst().post(CompletionBodies.COMPLETIONS, SMALL).ok());
        BoundedWait.await(
                "both groups have run steps",
                () -> {
                    for (Api api : apis) {
                        JsonNode response = api.post(CompletionBodies.COMPLETIONS, SMALL).ok();
                        assertEquals(expected, Generated.of(response));
                    }
                    return groups.stream().allMatch(group -> steps(admin, group) > 0);
                });
    }

    /// Asserts that requests are routed to the group with their prefix, until that group is busy.
    private static void assertRequestsGoToTheGroupWithTheirPrefix(
            Api api, Admin admin, List<String> groups, int seed) throws Exception {
        List<Integer> prefix = new ArrayList<>();
        for (int i = 0; i < PREFIX; i++) {
            prefix.add(5 + (i * 7 + seed) % 40);
        }
        assertEquals(0, cachedTokens(api, admin, prefix, 5));
        BoundedWait.await(
                "the coordinator knows the blocks of the prefix",
                () -> knownBlocks(api) >= PREFIX / 16);
        for (int tail = 6; tail < 12; tail++) {
            assertTrue(
                    cachedTokens(api, admin, prefix, tail) >= PREFIX,
                    "a request was routed to the group without its prefix");
        }
        try (var load = new BackgroundLoad(api, CompletionBodies.greedy(prefix, 8), 16)) {
            BoundedWait.await(
                    "both groups have cache hits on the prefix",
                    () ->
                            load.count("ok") > 0
                                    && groups.stream()
                                            .allMatch(group -> cached(admin, group) >= PREFIX / 2));
            assertEquals(Set.of("ok"), load.outcomes().keySet(), load.outcomes()::toString);
        }
    }

    /// Sends a request, and waits until the coordinator knows that no sequence runs: for routing, a
    /// running sequence counts more than a short prefix.
    private static int cachedTokens(Api api, Admin admin, List<Integer> prefix, int tail)
            throws Exception {
        long before = generated(admin);
        List<Integer> prompt = new ArrayList<>(prefix);
        prompt.add(tail);
        JsonNode response =
                api.post(CompletionBodies.COMPLETIONS, CompletionBodies.greedy(prompt, 2)).ok();
        BoundedWait.await(
                "the group reports that it is idle",
                () ->
                        generated(admin) >= before + 2
                                && admin.status().getGroupsList().stream()
                                        .allMatch(group -> group.getRunning() == 0));
        return Generated.cachedTokens(response);
    }

    private static long generated(Admin admin) {
        return admin.status().getGroupsList().stream()
                .mapToLong(GroupStatus::getGeneratedTokens)
                .sum();
    }

    /// Returns the number of blocks of all groups that the coordinator uses for routing.
    private static double knownBlocks(Api api) {
        return api.text("/metrics")
                .lines()
                .filter(line -> line.startsWith("lockstep_router_blocks{"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .sum();
    }

    private static long cached(Admin admin, String group) {
        return admin.group(group).map(GroupStatus::getCachedTokens).orElse(0L);
    }

    private static long steps(Admin admin, String group) {
        return admin.group(group).map(GroupStatus::getSteps).orElse(0L);
    }
}
