// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.cluster.process.RankLine;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.model.KvCapacity;
import dev.lockstep.worker.DeviceChoice;
import dev.lockstep.worker.MemoryBill;
import dev.lockstep.worker.MemoryPlan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class HostWorkersTest {
    private final List<String> notices = new ArrayList<>();

    /// Workers of one rank that are not started, since no wish of these tests begins a change.
    private HostWorkers one() {
        Path folder = Path.of("none");
        var config =
                new LauncherConfig(
                        Settings.parse(LauncherConfig.SPEC, List.of(), Map.of()),
                        new ModelChoice(folder, "m"),
                        0,
                        Optional.empty(),
                        folder,
                        folder,
                        Optional.empty());
        var shape =
                new Shape(
                        new DeviceChoice.Cpu(InstructionSet.best(), false, "test"),
                        new MemoryPlan(
                                List.of(new MemoryBill(1, 1, 1)),
                                new KvCapacity(List.of(KvGroup.full(List.of(0))), 16, 1),
                                16,
                                1,
                                List.of()),
                        HostPlan.of(List.of(1L), new HostCpus(1, List.of()), 1, 1000));
        var children =
                new HostChildren(
                        config,
                        shape,
                        "nowhere:1",
                        Optional.empty(),
                        false,
                        List.of(),
                        new QuietListener());
        return new HostWorkers(
                children,
                List.of(),
                new FixedCluster(Runnable::run, Randomness.secure()).membership(),
                notices::add);
    }

    @Test
    void theNumberOfRanksThatServesNeedsNoChange() {
        assertEquals(new RankLine.Done(1), one().resize(1));
        assertEquals(List.of(), notices);
    }

    @Test
    void aClusterThatStopsRefusesEveryWish() {
        HostWorkers workers = one();
        workers.stop();
        assertEquals(new RankLine.Refused("the cluster stops"), workers.resize(2));
        assertEquals(List.of(), notices);
    }
}
