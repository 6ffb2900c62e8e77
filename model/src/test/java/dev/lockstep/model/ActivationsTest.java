package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.nccl.SoloCommunicator;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ActivationsTest {
    @TempDir Path folder;

    @Test
    void theMemoryBillIsWhatIsTaken() throws IOException {
        TinyCheckpoint.write(folder, 3);
        ModelSource source = ModelSource.open(folder);
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning());
                SoloCommunicator communicator = new SoloCommunicator(kernels)) {
            ComputeTypes types = source.computeTypes("auto", "auto", kernels);
            Model model =
                    source.load(
                            source.shard(0, 1),
                            kernels,
                            new LoadSettings(
                                    types.compute(),
                                    types.kv(),
                                    16,
                                    64,
                                    LoadSettings.Progress.none()));
            try (Activations activations = new Activations(model, kernels, communicator, 33, 5)) {
                assertEquals(
                        Activations.localBytes(
                                source.config(), model.shard(), kernels.activationType(), 33, 5),
                        activations.localBytesTaken());
            }
        }
    }
}
