// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.coordinator.CoordinatorConfig;
import dev.lockstep.scheduler.process.SchedulerConfig;
import dev.lockstep.worker.DeviceChoice;
import dev.lockstep.worker.WorkerConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/// The children of a launcher, with their flags and variables.
///
/// @param ownSecret the file of a secret that this launcher made for its cluster
/// @param apart whether the workers run beside others, so that they have other ports
/// @param prefix of each command
record HostChildren(
        LauncherConfig config,
        Shape shape,
        String connectString,
        Optional<Path> ownSecret,
        boolean apart,
        List<String> prefix,
        Child.Listener listener) {
    /// Variables of NCCL that the user's environment may replace: the ranks of this launcher are on
    /// one host and meet on its loopback interface; no port is opened for its inspection; its
    /// warnings are in the log. Sums in switches have not been tested.
    private static final Map<String, String> NCCL_VARIABLES =
            Map.of(
                    "NCCL_DEBUG", "WARN",
                    "NCCL_SOCKET_IFNAME", "lo",
                    "NCCL_RAS_ENABLE", "0",
                    "NCCL_NVLS_ENABLE", "0");

    /// Returns the children of the same cluster with another shape, which may run beside these.
    HostChildren with(Shape other) {
        return new HostChildren(config, other, connectString, ownSecret, !apart, prefix, listener);
    }

    String groupName() {
        return config.settings().value(ProcessKeys.GROUP);
    }

    Child coordinator() {
        return child(
                JavaProcess.Role.COORDINATOR,
                "coordinator",
                CoordinatorConfig.SPEC,
                List.of("--port=" + config.port(), "--model=" + config.model().path()));
    }

    /// @param number from 0
    Child scheduler(String name, int number) {
        return child(
                JavaProcess.Role.SCHEDULER,
                name,
                SchedulerConfig.SPEC,
                List.of(
                        "--port=0",
                        "--admin-port=" + AdminPorts.of(config.settings()).scheduler(number),
                        "--tensor-parallel=" + shape.ranks(),
                        "--max-num-seqs=" + shape.memory().maxNumSeqs()));
    }

    /// Returns a new worker for each rank.
    List<Child> workers() {
        List<Child> workers = new ArrayList<>();
        for (int rank = 0; rank < shape.ranks(); rank++) {
            workers.add(worker(rank));
        }
        return workers;
    }

    /// Workers of two shapes run at the same time: those that a resize brings have other names.
    private String workerName(int rank) {
        boolean first = shape.ranks() == config.settings().value(ProcessKeys.TENSOR_PARALLEL);
        return first ? "worker-" + rank : "worker-%d-of-%d".formatted(rank, shape.ranks());
    }

    private Child worker(int rank) {
        HostPlan.RankPlan own = shape.plan().ranks().get(rank);
        List<String> flags = new ArrayList<>();
        flags.add("--port=0");
        flags.add("--admin-port=" + AdminPorts.of(config.settings()).worker(rank, apart));
        flags.add("--rank=" + rank);
        flags.add("--tensor-parallel=" + shape.ranks());
        flags.add("--model=" + config.model().path());
        flags.add("--max-model-len=" + shape.memory().maxModelLen());
        flags.add("--max-num-seqs=" + shape.memory().maxNumSeqs());
        switch (shape.device()) {
            case DeviceChoice.Cpu _ -> {
                flags.add("--device=cpu");
                flags.add("--kv-memory=" + own.kvBytes());
                flags.add("--threads=" + own.threads());
                flags.add("--oversubscribed=" + shape.plan().oversubscribed());
                if (!own.cpus().isEmpty()) {
                    flags.add(
                            "--cpus="
                                    + own.cpus().stream()
                                            .map(String::valueOf)
                                            .collect(Collectors.joining(",")));
                }
            }
            case DeviceChoice.Gpus gpus -> {
                flags.add("--device=cuda");
                flags.add("--gpus=" + gpus.gpus().get(rank).ordinal());
                // Without it, KV blocks take what is left on the GPU.
                if (config.settings().isGiven(ProcessKeys.KV_MEMORY)) {
                    flags.add("--kv-memory=" + own.kvBytes());
                }
            }
        }
        return child(workerRole(), workerName(rank), WorkerConfig.SPEC, flags);
    }

    private JavaProcess.Role workerRole() {
        return shape.device() instanceof DeviceChoice.Cpu cpu && !cpu.instructionSet().isNative()
                ? JavaProcess.Role.VECTOR_WORKER
                : JavaProcess.Role.WORKER;
    }

    /// Creates a child whose flags are the settings of `serve` that its specification has, then the
    /// child's own flags, which take precedence.
    private Child child(
            JavaProcess.Role role, String name, SettingsSpec spec, List<String> ownFlags) {
        List<String> own = new ArrayList<>(ownFlags);
        own.add("--zookeeper=" + connectString);
        own.add("--run-folder=" + config.runFolder());
        own.add("--parent-pipe");
        ownSecret.ifPresent(file -> own.add("--cluster-secret-file=" + file));
        if (spec.keyNames().contains(ProcessKeys.SERVED_MODEL_NAME.name())) {
            own.add(
                    "--served-model-name="
                            + config.settings()
                                    .find(ProcessKeys.SERVED_MODEL_NAME)
                                    .map(names -> String.join(",", names))
                                    .orElse(config.model().name()));
        }
        Set<String> overridden =
                own.stream()
                        .map(flag -> flag.split("=", 2)[0])
                        .collect(Collectors.toCollection(HashSet::new));
        overridden.add("--" + ProcessKeys.THREADS.name());
        overridden.add("--" + ProcessKeys.GPUS.name());
        ownSecret.ifPresent(_ -> overridden.add("--" + ProcessKeys.ZOOKEEPER_AUTH.name()));
        List<String> flags = new ArrayList<>();
        for (String flag : config.settings().commandLineFor(spec)) {
            if (!overridden.contains(flag.split("=", 2)[0])) {
                flags.add(flag);
            }
        }
        flags.addAll(own);
        List<String> command = new ArrayList<>(prefix);
        command.addAll(
                JavaProcess.command(role, name, config.logFolder(), config.training(), flags));
        return new Child(name, command, environment(spec), config.logFolder(), listener);
    }

    private Map<String, String> environment(SettingsSpec spec) {
        var variables = new HashMap<>(config.settings().environmentFor(spec));
        if (spec == WorkerConfig.SPEC && shape.device() instanceof DeviceChoice.Gpus) {
            NCCL_VARIABLES.forEach(
                    (name, value) ->
                            variables.put(name, System.getenv().getOrDefault(name, value)));
        }
        return variables;
    }
}
