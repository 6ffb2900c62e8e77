// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What steps ask of a GPU: how many calls of CUDA, and no memory.
@Tag("processes")
final class CudaSessionTest {
    private static final int[] NONE = {};

    /// The calls that allocate, load, compile or plan.
    private static final Map<CudaLibrary, List<String>> PREPARING =
            Map.of(
                    CudaLibrary.DRIVER,
                    List.of(
                            "cuMemAlloc_v2",
                            "cuMemFree_v2",
                            "cuMemHostAlloc",
                            "cuMemFreeHost",
                            "cuEventCreate",
                            "cuLibraryLoadData",
                            "cuGraphInstantiateWithFlags"),
                    CudaLibrary.CUBLAS_LT,
                    List.of("cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmulDescCreate"),
                    CudaLibrary.NVRTC,
                    List.of("nvrtcCreateProgram"));

    @TempDir Path folder;

    /// Steps of sequences that are in a slot each.
    private static final class Sequences {
        private final Session session;
        private final int[] computed = new int[TestWorker.MAX_SEQUENCES];
        private final int[] held = new int[TestWorker.MAX_SEQUENCES];
        private final List<Step.Admission> admitted = new ArrayList<>();
        private final List<Step.Row> rows = new ArrayList<>();

        Sequences(Session session) {
            this.session = session;
        }

        Sequences admit(Step.Admission admission) {
            admitted.add(admission);
            computed[admission.slot()] = admission.computed();
            held[admission.slot()] = 0;
            return this;
        }

        Sequences admit(int slot, int tokens, SamplingSettings settings) {
            int[] prompt = new int[tokens];
            Arrays.fill(prompt, 3 + slot);
            return admit(TestWorker.admission(slot, prompt, NONE, settings));
        }

        /// Adds a row with its new blocks. What they contain does not matter here, so sequences
        /// share them.
        Sequences row(int slot, int count) {
            int from = held[slot];
            held[slot] = Math.ceilDiv(computed[slot] + count, WorkerConfig.BLOCK_SIZE);
            int[] blocks = new int[held[slot] - from];
            Arrays.setAll(blocks, i -> 1 + (7 * slot + from + i) % (TestWorker.BLOCKS - 1));
            rows.add(
                    new Step.Row(
                            slot,
                            computed[slot],
                            count,
                            Collections.nCopies(session.kvGroups(), blocks),
                            List.of()));
            computed[slot] += count;
            return this;
        }

        /// Adds a row without KV, whose sequence it is all of.
        Sequences rowWithoutKv(int slot, int count) {
            rows.add(new Step.Row(slot, 0, count, List.of(), List.of()));
            return this;
        }

        StepOutcome run(int[] released, Step.Copy... copies) {
            StepOutcome outcome =
                    session.run(
                            new Step(
                                    session.epoch(),
                                    session.lastNumber() + 1,
                                    released,
                                    admitted,
                                    List.of(copies),
                                    rows));
            admitted.clear();
            rows.clear();
            return outcome;
        }

        /// Runs a step that decodes the first `count` slots.
        StepOutcome decode(int count) {
            for (int slot = 0; slot < count; slot++) {
                row(slot, 1);
            }
            return run(NONE);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aSteadyDecodeStepMakesTheSameCallsWhateverItsRows(boolean graphs) throws IOException {
        TinyCheckpoint.write(folder, 7);
        try (TestWorker worker = TestWorker.onGpu(folder, DType.F32, graphs);
                Session session = worker.openWarm(1)) {
            var sequences = new Sequences(session);
            for (int slot = 0; slot < TestWorker.MAX_SEQUENCES; slot++) {
                SamplingSettings settings =
                        slot % 2 == 0 ? SamplingSettings.greedy() : TestWorker.seeded(slot);
                // Rows begin blocks in different steps.
                sequences.admit(slot, 5 + slot % 3, settings).row(slot, 5 + slot % 3);
            }
            sequences.run(NONE);
            List<Long> calls = new ArrayList<>();
            for (int rows : new int[] {8, 8, 1, 3, 8, 5, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8}) {
                long before = EmulatedCuda.calls(CudaLibrary.DRIVER, "*");
                assertEquals(rows, sequences.decode(rows).sampled().size());
                calls.add(EmulatedCuda.calls(CudaLibrary.DRIVER, "*") - before);
            }
            assertEquals(Collections.nCopies(calls.size(), calls.getFirst()), calls);
            // A recorded step is one launch beside the copies of its inputs and results.
            assertTrue(!graphs || calls.getFirst() <= 10, calls::toString);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "llama, F32, true",
        "mixtral, F32, false",
        "gemma2, BF16, true",
        "qwen3-next, BF16, true"
    })
    void noStepAllocatesAfterWarmUp(String name, DType compute, boolean graphs) {
        Path model = Fixtures.require("models/" + name);
        try (TestWorker worker = TestWorker.onGpu(model, compute, graphs);
                Session session = worker.openWarm(1)) {
            Map<String, Long> before = preparing();
            long allocated = worker.rank.kernels().allocatedBytes();
            stepsOfEveryKind(new Sequences(session));
            assertEquals(before, preparing());
            assertEquals(allocated, worker.rank.kernels().allocatedBytes());
        }
    }

    @Test
    void aCanaryStepGivesTheTokenOfACpuBetweenRecordedSteps() throws IOException {
        TinyCheckpoint.write(folder, 7);
        int known;
        try (TestWorker cpu = TestWorker.onModel(folder, TestWorker.MAX_POSITIONS);
                Session session = cpu.open(1)) {
            known = session.canary().token();
        }
        try (TestWorker worker = TestWorker.onGpu(folder, DType.F32, true);
                Session session = worker.openWarm(1)) {
            assertEquals(known, session.canary().token());
            Map<String, Long> before = preparing();
            int[] prompt = {5, 6, 7};
            List<StepOutcome.Sampled> sampled =
                    TestWorker.generate(session, prompt, NONE, 4, TestWorker.seeded(1));
            assertEquals(known, session.canary().token());
            TestWorker.assertSame(
                    sampled, TestWorker.generate(session, prompt, NONE, 4, TestWorker.seeded(1)));
            assertEquals(before, preparing(), "the first canary step prepares for all");
        }
    }

    private static void stepsOfEveryKind(Sequences sequences) {
        // A chunk, the rest of it beside another prompt, then both beside a long prefill.
        sequences.admit(0, 90, TestWorker.seeded(1)).row(0, TestWorker.MAX_TOKENS).run(NONE);
        sequences.admit(1, 37, SamplingSettings.greedy()).row(0, 26).row(1, 37).run(NONE);
        sequences.decode(2);
        sequences.admit(2, 61, TestWorker.seeded(2)).row(0, 1).row(1, 1).row(2, 61).run(NONE);
        for (int slot = 3; slot < TestWorker.MAX_SEQUENCES; slot++) {
            sequences.admit(slot, 2, TestWorker.seeded(slot)).row(slot, 2).run(NONE);
        }
        for (int rows = TestWorker.MAX_SEQUENCES; rows > 0; rows--) {
            assertEquals(rows, sequences.decode(rows).sampled().size());
        }
        // A copied block, a sequence that was preempted, another one with a cached prefix.
        int[] prompt = new int[33];
        sequences
                .admit(TestWorker.admission(4, prompt, new int[] {5, 6, 7}, TestWorker.seeded(3)))
                .row(4, 36)
                .run(new int[] {4}, new Step.Copy(0, 1, 9, 5));
        sequences
                .admit(new Step.Admission("r", 5, prompt, NONE, TestWorker.seeded(3), 32))
                .row(5, 1)
                .run(new int[] {5});
        // Scores and hidden states, of a sequence and of a row that keeps nothing.
        var wanted = new OutputSettings(0, true, 3, true, OutputSettings.Pooling.MEAN);
        sequences
                .admit(
                        TestWorker.admission(6, prompt, NONE, TestWorker.seeded(3))
                                .with(TestWorker.seeded(3), wanted))
                .row(6, 33)
                .run(new int[] {6});
        sequences
                .admit(
                        new Step.Admission(
                                "r",
                                7,
                                prompt,
                                NONE,
                                SamplingSettings.greedy(),
                                0,
                                wanted,
                                false,
                                true))
                .rowWithoutKv(7, 33)
                .row(0, 1)
                .run(new int[] {7});
    }

    private static Map<String, Long> preparing() {
        Map<String, Long> calls = new TreeMap<>();
        PREPARING.forEach(
                (library, functions) ->
                        functions.forEach(
                                each -> calls.put(each, EmulatedCuda.calls(library, each))));
        return calls;
    }
}
