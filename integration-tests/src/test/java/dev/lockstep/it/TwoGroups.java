// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.ReservedPorts;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;

/// Two groups of two ranks and one scheduler each, and two coordinators: eight processes and
/// ZooKeeper. The test closes it, which kills all but ZooKeeper.
final class TwoGroups implements AutoCloseable {
    static final int RANKS = 2;

    private final SeparateProcesses processes;
    private final String prefix;
    private final Path model;
    private final List<String> groups;
    private final List<Integer> ports = List.of(ReservedPorts.next(), ReservedPorts.next());
    private final String[] workerFlags;
    private final Map<String, Callable<LockstepProcess>> starts = new LinkedHashMap<>();
    private final Map<String, LockstepProcess> started = new LinkedHashMap<>();

    /// Creates the cluster; starts no process.
    ///
    /// @param name the name of the cluster and the prefix of its process names
    TwoGroups(Sandbox sandbox, int zooKeeperPort, String name, Path model, String... workerFlags) {
        this.workerFlags = workerFlags.clone();
        this.processes = new SeparateProcesses(sandbox, zooKeeperPort, name);
        this.prefix = name + "-";
        this.model = model;
        this.groups = List.of(sandbox.group() + "-a", sandbox.group() + "-b");
    }

    List<String> groups() {
        return groups;
    }

    int port(int coordinator) {
        return ports.get(coordinator);
    }

    LockstepProcess coordinator(int number) {
        return process("coordinator-" + number);
    }

    LockstepProcess scheduler(int group) {
        return process("scheduler-" + group);
    }

    LockstepProcess worker(int group, int rank) {
        return process("worker-" + group + "-" + rank);
    }

    private LockstepProcess process(String name) {
        LockstepProcess process = started.get(prefix + name);
        if (process == null) {
            throw new IllegalArgumentException("no process " + name);
        }
        return process;
    }

    /// Starts all processes at once, in a random order.
    ///
    /// @param seed determines the order
    /// @param withZooKeeper whether to start ZooKeeper among them; otherwise it must already run
    void start(long seed, boolean withZooKeeper) throws Exception {
        for (int i = 0; i < groups.size(); i++) {
            int number = i;
            String group = groups.get(i);
            String coordinator = prefix + "coordinator-" + number;
            starts.put(
                    coordinator,
                    () -> processes.coordinator(coordinator, model, ports.get(number)));
            String scheduler = prefix + "scheduler-" + number;
            starts.put(scheduler, () -> processes.scheduler(scheduler, group, RANKS));
            for (int rank = 0; rank < RANKS; rank++) {
                int own = rank;
                String name = prefix + "worker-" + number + "-" + rank;
                starts.put(
                        name, () -> processes.worker(name, model, group, own, RANKS, workerFlags));
            }
        }
        List<Callable<LockstepProcess>> all = new ArrayList<>(starts.values());
        if (withZooKeeper) {
            all.add(() -> processes.zooKeeper("zookeeper"));
        }
        Collections.shuffle(all, new Random(seed));
        for (Callable<LockstepProcess> start : all) {
            LockstepProcess process = start.call();
            started.put(process.name(), process);
        }
        started.remove("zookeeper");
    }

    /// Starts a process again once it has ended with exit code 0 after a SIGTERM.
    void replace(LockstepProcess process) throws Exception {
        assertEquals(0, process.awaitExit(), () -> process.name() + ": " + process.errors());
        started.put(process.name(), requireNonNull(starts.get(process.name())).call());
    }

    /// Returns the names of processes that have ended.
    List<String> ended() {
        return started.values().stream()
                .filter(process -> !process.isAlive())
                .map(LockstepProcess::name)
                .toList();
    }

    @Override
    public void close() {
        started.values().forEach(LockstepProcess::destroy);
    }
}
