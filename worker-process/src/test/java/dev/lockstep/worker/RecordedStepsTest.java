// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.cpu.ReusedMemory;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Decode steps that run as recordings of a padded size. The kernels repeat what they record: the
/// same calls with the same tensors, whatever the step, as a graph does.
class RecordedStepsTest {
    private static final int[] PROMPT = {5, 17, 200, 31, 8, 99, 301, 12, 64, 77};
    private static final int[] OTHER = {9, 8, 7};
    private static final int[] NONE = {};

    @TempDir Path folder;
    private final Repeating repeating = new Repeating();
    private TestWorker worker;

    /// Kernels that repeat what they have recorded, and count the launches.
    private static final class Repeating {
        private final List<Integer> launched = new ArrayList<>();
        private int recorded;

        Kernels on(Kernels real) {
            return (Kernels)
                    Proxy.newProxyInstance(
                            Kernels.class.getClassLoader(),
                            new Class<?>[] {Kernels.class},
                            (_, called, arguments) -> {
                                if (called.getName().equals("record")) {
                                    return Optional.of(recording((Runnable) arguments[0]));
                                }
                                try {
                                    return called.invoke(real, arguments);
                                } catch (InvocationTargetException e) {
                                    throw e.getCause();
                                }
                            });
        }

        private Recording recording(Runnable ops) {
            int number = recorded++;
            return new Recording() {
                @Override
                public void launch() {
                    launched.add(number);
                    ops.run();
                }

                @Override
                public void close() {}
            };
        }
    }

    @BeforeEach
    void load() throws IOException {
        TinyCheckpoint.write(folder, 7);
        worker =
                TestWorker.onModel(
                        folder, TestWorker.MAX_POSITIONS, repeating.on(TestWorker.openKernels()));
    }

    @AfterEach
    void unload() {
        worker.close();
    }

    private static StepOutcome run(Session session, Step.Row... rows) {
        return session.run(TestWorker.step(session, NONE, List.of(), rows));
    }

    /// Prefills two sequences in slots 3 and 1, then decodes both, then the first alone.
    private static List<StepOutcome.Sampled> steps(Session session) {
        List<StepOutcome.Sampled> sampled = new ArrayList<>();
        SamplingSettings settings = TestWorker.seeded(7);
        sampled.addAll(
                session.run(
                                TestWorker.step(
                                        session,
                                        NONE,
                                        List.of(
                                                TestWorker.admission(3, PROMPT, NONE, settings),
                                                TestWorker.admission(
                                                        1, OTHER, NONE, TestWorker.seeded(1))),
                                        TestWorker.row(3, 0, 10, 21),
                                        TestWorker.row(1, 0, 3, 20)))
                        .sampled());
        for (int i = 0; i < 3; i++) {
            sampled.addAll(
                    run(session, TestWorker.row(3, 10 + i, 1), TestWorker.row(1, 3 + i, 1))
                            .sampled());
        }
        sampled.addAll(run(session, TestWorker.row(3, 13, 1)).sampled());
        return sampled;
    }

    @Test
    void aDecodeStepOfAnyRowsSamplesWhatItSamplesUnrecorded() {
        List<StepOutcome.Sampled> eager;
        try (Session session = worker.open(1)) {
            eager = steps(session);
        }
        assertEquals(List.of(), repeating.launched);
        try (Session session = worker.open(2)) {
            session.record(List.of(1, 4));
            TestWorker.assertSame(eager, steps(session));
        }
        // The largest size is recorded first: two rows ran as four, one as one.
        assertEquals(List.of(0, 0, 0, 1), repeating.launched);
    }

    @Test
    void aStepThatIsNoDecodeStepOrTooLargeRunsUnrecorded() {
        try (Session session = worker.open(1)) {
            session.record(List.of(1));
            List<StepOutcome.Sampled> sampled = steps(session);
            assertEquals(2 + 3 * 2 + 1, sampled.size());
            assertEquals(List.of(0), repeating.launched);
        }
    }

    @Test
    void recordingLeavesEveryBlockAsItIs() {
        try (Session session = worker.open(1)) {
            steps(session);
            List<byte[]> before = blocks();
            session.record(List.of(1, 2, 4));
            List<byte[]> after = blocks();
            for (int i = 0; i < before.size(); i++) {
                assertArrayEquals(before.get(i), after.get(i));
            }
            assertEquals(List.of(), repeating.launched);
        }
    }

    private List<byte[]> blocks() {
        List<byte[]> all = new ArrayList<>();
        for (PagedKv kv : worker.rank.kv()) {
            all.add(ReusedMemory.blocks(kv));
        }
        return all;
    }
}
