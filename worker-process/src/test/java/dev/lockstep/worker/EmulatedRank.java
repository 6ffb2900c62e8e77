// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.ModelSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// A rank of a group on emulated GPUs, one for each rank: loaded as a worker process loads it.
final class EmulatedRank {
    static final int SEQUENCES = 2;
    static final int TOKENS = 16;
    static final int BLOCKS = 5;

    /// Settings with which a rank starts fast.
    static final List<String> SMALL =
            List.of(
                    "--max-num-seqs=" + SEQUENCES,
                    "--max-num-batched-tokens=" + TOKENS,
                    "--max-model-len=64",
                    "--kv-memory=1M");

    private EmulatedRank() {}

    /// @param settings further ones of the worker
    static LoadedRank load(Path model, int rank, int ranks, List<String> settings) {
        return load(model, EmulatedCuda.folder().resolve("bytedeco"), rank, ranks, settings);
    }

    /// @param cache the folder of compiled kernels and of Bytedeco's glue
    static LoadedRank load(Path model, Path cache, int rank, int ranks, List<String> settings) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "--zookeeper=unused:1",
                                "--device=cuda",
                                "--cuda-libraries=" + EmulatedCuda.folder(),
                                "--gpus=" + rank,
                                "--rank=" + rank,
                                "--tensor-parallel=" + ranks,
                                "--dtype=f32",
                                "--kv-dtype=f32"));
        arguments.addAll(settings);
        WorkerConfig config =
                WorkerConfig.of(
                        Settings.parse(WorkerConfig.SPEC, arguments, Map.of()),
                        model,
                        "tiny",
                        TestWorker.RUN_FOLDER);
        return LoadedRank.load(
                config,
                ModelSource.open(model),
                new CacheFolders(cache, cache),
                TestWorker.INCARNATION,
                LoadSettings.Progress.none());
    }
}
