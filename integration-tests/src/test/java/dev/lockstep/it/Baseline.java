// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.proto.v1.ClusterStatusResponse;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.MemberStatus;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What an idle cluster holds, taken before a fault and required after it: a fault leaves nothing
/// behind, and every accepted request was counted as ended.
///
/// Descriptors and threads belong to a role, since faults replace processes.
final class Baseline {
    /// Connections and threads that come and go while a process is idle, and those that a process
    /// opens when it is used for the first time.
    private static final int SLACK = 20;

    private static final Pattern METRIC = Pattern.compile("(?m)^(lockstep_requests\\S*) (\\S+)$");

    private final Sandbox sandbox;
    private final Api api;
    private final Admin admin;
    private final Snapshot before;

    /// @param use of descriptors and threads, by role
    /// @param members in ZooKeeper, by role
    /// @param shared files in shared memory
    private record Snapshot(Map<String, Integer> use, Map<String, Integer> members, int shared) {}

    private Baseline(Sandbox sandbox, Api api, Admin admin) throws Exception {
        this.sandbox = sandbox;
        this.api = api;
        this.admin = admin;
        awaitIdle();
        this.before = snapshot();
    }

    /// Waits until the cluster is idle, and remembers what it holds.
    static Baseline of(Sandbox sandbox, Api api, Admin admin) throws Exception {
        return new Baseline(sandbox, api, admin);
    }

    static Baseline of(ServedCluster cluster) throws Exception {
        return of(cluster.sandbox(), cluster.api(), cluster.admin());
    }

    /// Waits until the cluster is idle again and holds no more than before.
    void awaitRestored() throws Exception {
        awaitIdle();
        BoundedWait.await(
                "back to " + before + ": " + snapshot() + ", " + admin.status(),
                () -> isWithin(snapshot()));
    }

    private boolean isWithin(Snapshot now) {
        return now.members().equals(before.members())
                && now.shared() <= before.shared()
                && now.use().keySet().equals(before.use().keySet())
                && now.use().entrySet().stream()
                        .allMatch(
                                each ->
                                        each.getValue()
                                                <= before.use().getOrDefault(each.getKey(), 0)
                                                        + SLACK);
    }

    private void awaitIdle() throws Exception {
        BoundedWait.await(
                "the cluster is idle: " + admin.status(),
                () -> {
                    ClusterStatusResponse status = admin.status();
                    return status.getReady()
                            && status.getGroupsList().stream().allMatch(Baseline::isIdle)
                            && openRequests() == 0
                            && noWorkerIsGone(status);
                });
    }

    /// Returns whether the members are processes that run: one that was killed is a member until
    /// its session has ended.
    private boolean noWorkerIsGone(ClusterStatusResponse status) {
        long members =
                status.getMembersList().stream()
                        .filter(member -> member.getRole().equals("worker"))
                        .count();
        return members <= sandbox.processIdsOf("worker").size();
    }

    private static boolean isIdle(GroupStatus group) {
        return group.getReady() && group.getWaitingTokens() == 0 && isEmpty(group);
    }

    /// Returns whether a group has no sequence, and all blocks back.
    static boolean isEmpty(GroupStatus group) {
        return group.getRunning() == 0
                && group.getWaiting() == 0
                && group.getBlocksFree() == group.getBlocksTotal();
    }

    /// Returns the requests that the coordinator says it is processing.
    private long openRequests() {
        return metrics().getOrDefault("lockstep_requests_open", -1L);
    }

    /// Returns the requests that the coordinator has ended.
    long endedRequests() {
        long sum = 0;
        for (Map.Entry<String, Long> each : metrics().entrySet()) {
            sum += each.getKey().startsWith("lockstep_requests_total") ? each.getValue() : 0;
        }
        return sum;
    }

    private Map<String, Long> metrics() {
        Map<String, Long> values = new TreeMap<>();
        Matcher metric = METRIC.matcher(api.text("/metrics"));
        while (metric.find()) {
            values.put(metric.group(1), (long) Double.parseDouble(metric.group(2)));
        }
        assertTrue(values.containsKey("lockstep_requests_open"), values::toString);
        return values;
    }

    private Snapshot snapshot() {
        Map<String, Integer> members = new TreeMap<>();
        for (MemberStatus member : admin.status().getMembersList()) {
            members.merge(member.getRole() + " " + member.getState(), 1, Integer::sum);
        }
        return new Snapshot(sandbox.use(), members, sandbox.sharedMemory());
    }
}
