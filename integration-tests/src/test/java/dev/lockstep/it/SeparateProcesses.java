// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The processes of a cluster, started one by one as on several hosts, with ZooKeeper as a separate
/// process. They end with their sandbox.
final class SeparateProcesses {
    private final Sandbox sandbox;
    private final int zooKeeperPort;
    private final String cluster;

    /// Creates the starter; starts no process.
    ///
    /// @param cluster distinguishes clusters on the same ZooKeeper
    SeparateProcesses(Sandbox sandbox, int zooKeeperPort, String cluster) {
        this.sandbox = sandbox;
        this.zooKeeperPort = zooKeeperPort;
        this.cluster = cluster;
    }

    /// Starts ZooKeeper.
    ///
    /// @param data its data folder, in the sandbox's folder
    LockstepProcess zooKeeper(String data) {
        return sandbox.start(
                "zookeeper",
                "zookeeper",
                List.of("--port=" + zooKeeperPort, "--data=" + sandbox.folder().resolve(data)));
    }

    LockstepProcess coordinator(String name, Path model, int port, String... further) {
        List<String> flags = new ArrayList<>();
        flags.add("--model=" + model);
        flags.add("--served-model-name=" + ServedCluster.MODEL);
        flags.add("--port=" + port);
        flags.addAll(List.of(further));
        return start(name, "coordinator", flags.toArray(String[]::new));
    }

    /// Starts a scheduler.
    ///
    /// @param further additional flags
    LockstepProcess scheduler(String name, String group, int size, String... further) {
        List<String> flags = new ArrayList<>();
        flags.add("--group=" + group);
        flags.add("--tensor-parallel=" + size);
        flags.addAll(List.of(further));
        return start(name, "scheduler", flags.toArray(String[]::new));
    }

    /// Starts a worker.
    ///
    /// @param further additional flags
    LockstepProcess worker(
            String name, Path model, String group, int rank, int size, String... further) {
        List<String> flags = new ArrayList<>();
        flags.add("--model=" + model);
        flags.add("--served-model-name=" + ServedCluster.MODEL);
        flags.add("--group=" + group);
        flags.add("--rank=" + rank);
        flags.add("--tensor-parallel=" + size);
        flags.add("--threads=1");
        // Many more threads than cores: no thread may spin.
        flags.add("--oversubscribed");
        flags.add("--kv-memory=16M");
        flags.addAll(List.of(further));
        return start(name, "worker", flags.toArray(String[]::new));
    }

    private LockstepProcess start(String name, String command, String... flags) {
        List<String> all = new ArrayList<>(List.of(flags));
        all.add("--zookeeper=127.0.0.1:" + zooKeeperPort);
        all.add("--cluster=" + cluster);
        if (all.stream().noneMatch(flag -> flag.startsWith("--run-folder="))) {
            all.add("--run-folder=" + sandbox.folder());
        }
        return sandbox.start(name, command, all);
    }
}
