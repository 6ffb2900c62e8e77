// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.cuda.CudaUnderTest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;

/// Ranks in separate processes with a CUDA device each.
@Tag("processes")
@Tag("gpu")
@Tag("ranks")
final class NcclCommunicatorProcessTest implements ProcessContract {
    @TempDir Path folder;

    @BeforeAll
    static void build() {
        CudaUnderTest.search();
        CudaUnderTest.assumeRankProcesses(CudaGroup.maxRanks());
    }

    @Override
    public Class<? extends RankOpening> opening() {
        return CudaOpening.class;
    }

    @Override
    public List<String> jvmOptions() {
        return CudaUnderTest.jvmOptions();
    }

    @Override
    public Map<String, String> environment(int rank, int size) {
        return CudaUnderTest.rankEnvironment(rank, size);
    }

    @Override
    public int ranks() {
        return CudaGroup.maxRanks();
    }

    @Override
    public Path folder() {
        return folder;
    }

    @Override
    public boolean sumsInRankOrder() {
        return false;
    }

    /// The patience of the watchdog, and what it takes to see and to abort.
    @Override
    public Duration abortLimit() {
        return CollectiveWatch.PATIENCE.plusSeconds(2);
    }

    @Override
    public void requireLost(String line, RankProcess gone) {
        assertTrue(
                line.matches(
                        "aborted: rank \\d waits for its device, which finished no op for 5[.]0 s"),
                line);
    }
}
