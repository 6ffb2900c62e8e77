// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.DType;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A worker of a model whose layers keep a state of each sequence.
class StateSessionTest {
    private static final int[] NONE = {};
    private static final int[] PROMPT = new Random(3).ints(50, 3, 1000).toArray();
    private static TestWorker worker;

    @BeforeAll
    static void load() {
        worker =
                TestWorker.onModel(Fixtures.require("models/qwen3-next"), TestWorker.MAX_POSITIONS);
    }

    /// There is no worker where the fixture is missing.
    @AfterAll
    static void unload() {
        if (worker != null) {
            worker.close();
        }
    }

    @Test
    void theStateOfASequenceIsAnnounced() {
        Joined joined = worker.joinReply.joined(1, worker.rank.held(new byte[16]));
        List<KvGroupInfo> groups = joined.getKvGroupsList();
        assertEquals(List.of("full", "state"), groups.stream().map(KvGroupInfo::getKind).toList());
        assertEquals(3, groups.getLast().getLayers());
        assertEquals(4 * 3 * (3 * 256 + 4 * 32 * 32), groups.getLast().getBytesPerBlock());
    }

    @Test
    void aSequenceThatBeginsWithASnapshotHasTheSameTokens() {
        assertSameAfterASnapshot(worker, PROMPT);
    }

    @ParameterizedTest
    @ValueSource(strings = {"lfm2", "granite-hybrid"})
    void soItHasWithStatesOfOtherKinds(String name, @TempDir Path folder) throws Exception {
        Path references = Path.of("..", "model", "src", "test", "resources", "references");
        int[] prompt = Arrays.stream(PROMPT).map(id -> 3 + id % 90).toArray();
        // The path of a socket in the folder has a limit.
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(references.resolve(name).resolve(file), folder.resolve(file));
        }
        try (TestWorker other = TestWorker.onModel(folder, TestWorker.MAX_POSITIONS)) {
            assertSameAfterASnapshot(other, prompt);
        }
    }

    /// Decode steps run as recordings of a padded size there.
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @Tag("processes")
    void aGpuHasTheTokensOfACpuAfterASnapshotToo(boolean graphs) {
        List<StepOutcome.Sampled> expected;
        try (Session session = worker.open(1)) {
            expected = generateTogether(session);
        }
        Path model = Fixtures.require("models/qwen3-next");
        try (TestWorker gpu = TestWorker.onGpu(model, DType.F32, graphs);
                Session session = gpu.openWarm(1)) {
            assertSameIds(expected, generateTogether(session));
            assertSameAfterASnapshot(session, PROMPT);
            assertSameIds(expected, generateTogether(session));
        }
    }

    /// Returns the tokens of three sequences that begin in different steps; as many rows need a
    /// padding row beside them.
    private static List<StepOutcome.Sampled> generateTogether(Session session) {
        int[] slots = {6, 0, 2};
        List<StepOutcome.Sampled> sampled = new ArrayList<>();
        List<Step.Row> rows = new ArrayList<>();
        for (int i = 0; i < slots.length; i++) {
            int[] prompt = Arrays.copyOf(PROMPT, 12 + i);
            rows.add(TestWorker.row(slots[i], 0, prompt.length, 10 + 2 * i));
            sampled.addAll(
                    run(
                            session,
                            List.of(
                                    TestWorker.admission(
                                            slots[i], prompt, NONE, TestWorker.seeded(i))),
                            List.of(),
                            rows.toArray(new Step.Row[0])));
            rows.replaceAll(row -> TestWorker.row(row.slot(), row.computed() + row.count(), 1));
        }
        rows.replaceAll(row -> TestWorker.row(row.slot(), row.computed(), 1, 20 + row.slot()));
        for (int step = 0; step < 8; step++) {
            sampled.addAll(run(session, List.of(), List.of(), rows.toArray(new Step.Row[0])));
            rows.replaceAll(row -> TestWorker.row(row.slot(), row.computed() + 1, 1));
        }
        run(session, slots, List.of(), List.of());
        return sampled;
    }

    private static void assertSameIds(
            List<StepOutcome.Sampled> expected, List<StepOutcome.Sampled> actual) {
        assertEquals(
                expected.stream().map(StepOutcome.Sampled::id).toList(),
                actual.stream().map(StepOutcome.Sampled::id).toList());
    }

    private static void assertSameAfterASnapshot(TestWorker worker, int[] prompt) {
        try (Session session = worker.open(1)) {
            assertSameAfterASnapshot(session, prompt);
        }
    }

    private static void assertSameAfterASnapshot(Session session, int[] prompt) {
        List<StepOutcome.Sampled> alone =
                TestWorker.generate(session, prompt, NONE, 4, TestWorker.seeded(7));
        int snapshot = TestWorker.MAX_SEQUENCES + 5;
        // Slot 1 computes a prefix, whose state is kept before it goes on with another text.
        int[] other = prompt.clone();
        Arrays.fill(other, 32, other.length, 5);
        run(
                session,
                List.of(TestWorker.admission(1, other, NONE, TestWorker.seeded(1))),
                List.of(),
                TestWorker.row(1, 0, 32, 10, 11));
        run(
                session,
                List.of(),
                List.of(new Step.Copy(1, 1, snapshot, 0)),
                TestWorker.row(1, 32, 18, 12, 13));
        // Slot 4 has the state of an earlier sequence.
        run(
                session,
                List.of(TestWorker.admission(4, other, NONE, TestWorker.seeded(1))),
                List.of(),
                TestWorker.row(4, 0, 50, 20, 21, 22, 23));
        run(session, new int[] {4}, List.of(), List.of());
        List<StepOutcome.Sampled> found = new ArrayList<>();
        found.addAll(
                run(
                        session,
                        List.of(new Step.Admission("r", 4, prompt, NONE, TestWorker.seeded(7), 32)),
                        List.of(new Step.Copy(1, snapshot, 4, 0)),
                        TestWorker.row(4, 32, 18, 10, 11, 24, 25)));
        for (int i = 0; i < 3; i++) {
            found.addAll(run(session, List.of(), List.of(), TestWorker.row(4, 50 + i, 1)));
        }
        TestWorker.assertSame(alone, found);
    }

    @Test
    void aPreemptedSequenceGoesOnWithTheSameTokens() {
        try (Session session = worker.open(1)) {
            List<StepOutcome.Sampled> whole =
                    TestWorker.generate(session, PROMPT, NONE, 12, TestWorker.seeded(42));
            int[] first = whole.subList(0, 7).stream().mapToInt(StepOutcome.Sampled::id).toArray();
            List<StepOutcome.Sampled> rest =
                    TestWorker.generate(session, PROMPT, first, 5, TestWorker.seeded(42));
            TestWorker.assertSame(whole.subList(7, 12), rest);
        }
    }

    @Test
    void aLineThatDoesNotExistIsRefused() {
        try (Session session = worker.open(1)) {
            for (int line : new int[] {-1, 2 * TestWorker.MAX_SEQUENCES}) {
                IllegalArgumentException refusal =
                        assertThrows(
                                IllegalArgumentException.class,
                                () ->
                                        run(
                                                session,
                                                NONE,
                                                List.of(),
                                                List.of(new Step.Copy(1, 0, line, 0))));
                String message = refusal.getMessage() + "";
                assertTrue(message.contains("line " + line + " of states"), message);
            }
        }
    }

    private static List<StepOutcome.Sampled> run(
            Session session,
            List<Step.Admission> admitted,
            List<Step.Copy> copies,
            Step.Row... rows) {
        return run(session, NONE, admitted, copies, rows);
    }

    private static List<StepOutcome.Sampled> run(
            Session session,
            int[] released,
            List<Step.Admission> admitted,
            List<Step.Copy> copies,
            Step.Row... rows) {
        return session.run(
                        new Step(
                                session.epoch(),
                                session.lastNumber() + 1,
                                released,
                                admitted,
                                copies,
                                List.of(rows)))
                .sampled();
    }
}
