// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.nccl.CommunicatorAbortedException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The full blocks that a rank keeps when its group forms again.
class HeldBlocksTest {
    private static final byte[] KEY = {1, 2, 3};
    private static final BlockHash FIRST = new BlockHash(1, 1);
    private static final BlockHash SECOND = new BlockHash(2, 2);
    private static final int[] NONE = {};

    @TempDir Path folder;
    private TestWorker worker;

    @BeforeEach
    void load() throws IOException {
        worker = TestWorker.onTinyModel(folder);
    }

    @AfterEach
    void unload() {
        worker.close();
    }

    private Session open(long epoch, int blocks, boolean keep) {
        worker.rank.held(KEY);
        return worker.rank.open(
                new StepRunner.Formation(
                        epoch,
                        "test",
                        new byte[0],
                        blocks,
                        TestWorker.MAX_SEQUENCES,
                        Optional.of(TestWorker.MAX_TOKENS),
                        keep,
                        0),
                () -> "");
    }

    /// Fills blocks 5 and 9 and one token of block 7.
    private static void fillTwo(Session session) {
        session.run(filling(session, FIRST, SECOND));
    }

    private static Step filling(Session session, BlockHash... names) {
        return TestWorker.step(
                session,
                NONE,
                List.of(TestWorker.admission(0, new int[33], NONE, TestWorker.seeded(1))),
                new Step.Row(0, 0, 33, List.of(new int[] {5, 9, 7}), List.of(names)));
    }

    @Test
    void theNamesOfFullBlocksOutliveAnEpoch() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            fillTwo(session);
        }
        HeldBlocks held = worker.rank.held(KEY);
        assertEquals(List.of(5, 9), held.blocks(0));
        assertEquals(Optional.of(SECOND), held.name(0, 9));
        try (Session session = open(2, TestWorker.BLOCKS, true)) {
            assertEquals(List.of(5, 9), worker.rank.held(KEY).blocks(0));
            session.run(
                    TestWorker.step(
                            session,
                            NONE,
                            List.of(
                                    TestWorker.admission(
                                            0, new int[3], NONE, TestWorker.seeded(1))),
                            TestWorker.row(0, 0, 3, 9)));
        }
        assertEquals(List.of(5), worker.rank.held(KEY).blocks(0), "9 was written to");
    }

    @Test
    void namesUnderAnotherKeyAreRemoved() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            fillTwo(session);
        }
        assertEquals(List.of(), worker.rank.held(new byte[] {9}).blocks(0));
    }

    @Test
    void warmUpRemovesTheNamesOfBlocks() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            fillTwo(session);
        }
        var formation =
                new StepRunner.Formation(
                        2,
                        "test",
                        new byte[0],
                        TestWorker.BLOCKS,
                        TestWorker.MAX_SEQUENCES,
                        Optional.of(TestWorker.MAX_TOKENS),
                        false,
                        0);
        try (Session session = worker.rank.open(formation, () -> "")) {
            worker.rank.warm(session, formation);
        }
        assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
    }

    @Test
    void anotherNumberOfBlocksCannotBeKept() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            fillTwo(session);
        }
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> open(2, 12, true));
        assertEquals(
                "cannot keep 12 KV blocks, this rank held another number", refusal.getMessage());
        assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
    }

    /// The forward pass of the step fails in a collective, as when another rank is lost.
    @Test
    void aStepThatIsAbortedNamesNoBlock() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            session.abort("a rank is lost");
            assertThrows(CommunicatorAbortedException.class, () -> fillTwo(session));
        }
        assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
    }

    /// A name that a block had before is gone when the step that writes to it is aborted.
    @Test
    void aStepThatIsAbortedRemovesTheNamesOfTheBlocksItWrites() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            fillTwo(session);
            session.run(TestWorker.step(session, new int[] {0}, List.of()));
            session.abort("a rank is lost");
            assertThrows(CommunicatorAbortedException.class, () -> fillTwo(session));
        }
        assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
    }

    @Test
    void aStepThatIsLaunchedAndNeverCompletedNamesNoBlock() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            LaunchedStep _ = session.launch(filling(session, FIRST, SECOND));
            assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
        }
        try (Session session = open(2, TestWorker.BLOCKS, true)) {
            assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
            session.run(filling(session, FIRST, SECOND));
        }
        assertEquals(List.of(5, 9), worker.rank.held(KEY).blocks(0));
    }

    @Test
    void aStepThatIsLaunchedRemovesTheNamesOfTheBlocksItWrites() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            fillTwo(session);
            session.run(TestWorker.step(session, new int[] {0}, List.of()));
            LaunchedStep _ = session.launch(filling(session, FIRST, SECOND));
            assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
        }
        assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
    }

    /// The next step gives block 9 to another sequence before the name of its content is recorded.
    @Test
    void aBlockThatALaterStepWritesGetsNoNameWhenTheEarlierOneCompletes() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            LaunchedStep fills = session.launch(filling(session, FIRST, SECOND));
            LaunchedStep writes =
                    session.launch(
                            TestWorker.step(
                                    session,
                                    new int[] {0},
                                    List.of(
                                            TestWorker.admission(
                                                    0, new int[3], NONE, TestWorker.seeded(1))),
                                    TestWorker.row(0, 0, 3, 9)));
            session.complete(fills);
            assertEquals(List.of(5), worker.rank.held(KEY).blocks(0));
            session.complete(writes);
            assertEquals(List.of(5), worker.rank.held(KEY).blocks(0));
        }
    }

    @Test
    void aBlockThatALaterStepCopiesToGetsNoNameWhenTheEarlierOneCompletes() {
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            LaunchedStep fills = session.launch(filling(session, FIRST, SECOND));
            LaunchedStep copies =
                    session.launch(
                            new Step(
                                    1,
                                    2,
                                    new int[] {0},
                                    List.of(),
                                    List.of(new Step.Copy(0, 7, 5, 1)),
                                    List.of()));
            session.complete(fills);
            session.complete(copies);
            assertEquals(List.of(9), worker.rank.held(KEY).blocks(0));
        }
    }

    /// A chain of prompt tokens has the same bits whether its blocks were kept by an aborted epoch
    /// or never existed.
    @Test
    void aPromptHasTheSameBitsAfterAnAbortedPrefill() {
        List<StepOutcome.Sampled> fresh;
        try (Session session = open(1, TestWorker.BLOCKS, false)) {
            fresh = prefill(session, 0, 5, 9, 7);
        }
        try (Session session = open(2, TestWorker.BLOCKS, true)) {
            session.run(TestWorker.step(session, NONE, List.of()));
            session.abort("a rank is lost");
            assertThrows(CommunicatorAbortedException.class, () -> prefill(session, 0, 15, 19, 17));
        }
        // A scheduler takes named blocks for computed ones, and computes the rest.
        HeldBlocks held = worker.rank.held(KEY);
        int computed = 0;
        while (computed < 2 && held.name(0, computed == 0 ? 15 : 19).isPresent()) {
            computed++;
        }
        int found = computed;
        try (Session session = open(3, TestWorker.BLOCKS, true)) {
            TestWorker.assertSame(fresh, prefill(session, 16 * found, 15, 19, 17));
        }
    }

    private static List<StepOutcome.Sampled> prefill(Session session, int computed, int... blocks) {
        int[] prompt = new int[33];
        for (int i = 0; i < prompt.length; i++) {
            prompt[i] = 3 * i + 5;
        }
        return session.run(
                        TestWorker.step(
                                session,
                                NONE,
                                List.of(
                                        new Step.Admission(
                                                "r",
                                                0,
                                                prompt,
                                                NONE,
                                                TestWorker.seeded(1),
                                                computed)),
                                new Step.Row(
                                        0,
                                        computed,
                                        33 - computed,
                                        List.of(blocks),
                                        List.of(FIRST, SECOND).subList(computed / 16, 2))))
                .sampled();
    }

    @Test
    void aNameForABlockThatTheRowDoesNotFillIsRefused() {
        for (List<BlockHash> names :
                List.of(
                        List.of(FIRST, SECOND, new BlockHash(3, 3)),
                        List.of(FIRST, SECOND, FIRST, SECOND))) {
            try (Session session = open(1, TestWorker.BLOCKS, false)) {
                Step step =
                        TestWorker.step(
                                session,
                                NONE,
                                List.of(
                                        TestWorker.admission(
                                                0, new int[33], NONE, TestWorker.seeded(1))),
                                new Step.Row(0, 0, 33, List.of(new int[] {5, 9, 7}), names));
                IllegalArgumentException refusal =
                        assertThrows(IllegalArgumentException.class, () -> session.run(step));
                assertEquals(
                        "slot 0: row of 33 tokens at 0, %d names for 2 full blocks, 0 of them named"
                                .formatted(names.size()),
                        refusal.getMessage());
            }
            assertEquals(List.of(), worker.rank.held(KEY).blocks(0));
        }
    }
}
