// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.model.KvCapacity;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class MemoryPlanTest {
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;
    private static final int CONTEXT = 8192;
    private static final long TOKEN = 64L << 10;

    /// Returns needs of 64 KiB of KV per token and 1 MiB of activations per sequence.
    private static MemoryPlan.Needs needs(long weights) {
        return new MemoryPlan.Needs(
                CONTEXT,
                List.of(new MemoryPlan.Rank(weights, sequences -> sequences * MIB, TOKEN)),
                new KvCapacity(List.of(KvGroup.full(List.of(0, 1))), 16, TOKEN));
    }

    private static MemoryPlan.Asked asked(int maxModelLen, int maxNumSeqs, long kvMemory) {
        return new MemoryPlan.Asked(
                maxModelLen == 0 ? Optional.empty() : Optional.of(maxModelLen),
                maxNumSeqs == 0 ? Optional.empty() : Optional.of(maxNumSeqs),
                kvMemory == 0 ? Optional.empty() : Optional.of(kvMemory));
    }

    private static MemoryPlan plan(long weights, MemoryPlan.Asked asked, long available) {
        return MemoryPlan.of(needs(weights), asked, available);
    }

    private static String refusal(long weights, MemoryPlan.Asked asked, long available) {
        return assertThrows(TooLittleMemoryException.class, () -> plan(weights, asked, available))
                        .getMessage()
                + "";
    }

    @Test
    void limitsThatFitAreNotLowered() {
        MemoryPlan plan = plan(GIB, asked(0, 0, 0), 100 * GIB);
        assertEquals(CONTEXT, plan.maxModelLen());
        assertEquals(64, plan.maxNumSeqs());
        assertEquals(List.of(), plan.lowered());
        assertEquals(new MemoryBill(GIB, 2 * GIB, 64 * MIB), plan.ranks().getFirst());
        assertEquals(3 * GIB + 64 * MIB, plan.ranks().getFirst().total());
    }

    @Test
    void onGpusKvMemoryTakesWhatIsLeft() {
        MemoryPlan plan = MemoryPlan.ofGpus(needs(GIB), asked(0, 0, 0), 100 * GIB);
        assertEquals(CONTEXT, plan.maxModelLen());
        assertEquals(95 * GIB - GIB - 64 * MIB, plan.kvBytes());
    }

    @Test
    void theLargestRankDecidesWhatFitsIntoEveryGpu() {
        MemoryPlan.Needs one = needs(GIB);
        MemoryPlan.Rank large = one.ranks().getFirst();
        var small = new MemoryPlan.Rank(MIB, large.activations(), large.kvBytesPerToken());
        var both =
                new MemoryPlan.Needs(
                        CONTEXT,
                        List.of(small, large),
                        new KvCapacity(one.kv().groups(), 16, 2 * large.kvBytesPerToken()));
        MemoryPlan alone = MemoryPlan.ofGpus(one, asked(0, 0, 0), 2 * GIB);
        MemoryPlan plan = MemoryPlan.ofGpus(both, asked(0, 0, 0), 2 * GIB);
        assertEquals(2 * alone.kvBytes(), plan.kvBytes());
        assertEquals(alone.maxModelLen(), plan.maxModelLen());
    }

    @Test
    void tooLittleMemoryOfAGpuIsRefusedWithTheBill() {
        String refusal =
                assertThrows(
                                TooLittleMemoryException.class,
                                () -> MemoryPlan.ofGpus(needs(3 * GIB), asked(8192, 0, 0), 3 * GIB))
                        .toString();
        assertTrue(refusal.contains("weights take 3,072 MiB"), refusal);
        assertTrue(refusal.contains("of GPU memory"), refusal);
    }

    @Test
    void aGpuThatIsLessThanItsReservesHasNoMemory() {
        String refusal =
                assertThrows(
                                TooLittleMemoryException.class,
                                () -> MemoryPlan.ofGpus(needs(MIB), asked(0, 0, 0), -400 * MIB))
                        .getMessage();
        assertTrue((refusal + "").contains("; 0 KiB of GPU memory may be used"), refusal);
    }

    @Test
    void aRequestedLengthBeyondTheContextGetsItsMemory() {
        MemoryPlan plan = plan(GIB, asked(4 * CONTEXT, 1, 0), 100 * GIB);
        assertEquals(4 * CONTEXT, plan.maxModelLen());
        assertEquals((4L * CONTEXT + 16) * TOKEN, plan.kvBytes());
    }

    @Test
    void kvMemoryIsAtMostTheNeedOfAllSequences() {
        assertEquals((3 * 7 + 1) * 16 * TOKEN, plan(GIB, asked(100, 3, 0), 100 * GIB).kvBytes());
        assertEquals((3 * 6 + 1) * 16 * TOKEN, plan(GIB, asked(96, 3, 0), 100 * GIB).kvBytes());
    }

    @Test
    void kvMemoryIsAtMostHalfTheFreeMemory() {
        MemoryPlan plan = plan(MIB, asked(0, 0, 0), GIB);
        assertEquals(GIB / 2, plan.kvBytes());
        // 512 MiB are 512 blocks of 1 MiB, one of them the null block.
        assertEquals(511 * 16, plan.maxModelLen());
        assertEquals(
                List.of("--max-model-len 8,192 to 8,176: limited by 512 MiB of KV memory"),
                plan.lowered());
    }

    @Test
    void theWholeContextMayTakeMoreThanTwoGibibytes() {
        var longContext = new MemoryPlan.Needs(131_072, needs(GIB).ranks(), needs(GIB).kv());
        MemoryPlan plan = MemoryPlan.of(longContext, asked(0, 0, 0), 100 * GIB);
        assertEquals(131_072, plan.maxModelLen());
        assertEquals(8 * GIB + MIB, plan.kvBytes());
        assertEquals(
                (8 * 1024 - 1) * 16,
                MemoryPlan.of(longContext, asked(0, 0, 0), 16 * GIB).maxModelLen());
    }

    @Test
    void kvMemoryIsTheRestWhereWeightsLeaveLessThanHalf() {
        MemoryPlan plan = plan(3 * GIB, asked(0, 0, 0), 3 * GIB + 264 * MIB);
        assertEquals(200 * MIB, plan.kvBytes());
        assertEquals(199 * 16, plan.maxModelLen());
        assertEquals(64, plan.maxNumSeqs());
    }

    @Test
    void sequencesAreLoweredBeforeTheirLengthIsTooShort() {
        MemoryPlan plan = plan(GIB, asked(0, 0, 0), GIB + 60 * MIB);
        assertEquals(16, plan.maxNumSeqs());
        assertEquals(44 * MIB, plan.kvBytes());
        assertEquals(43 * 16, plan.maxModelLen());
        assertEquals(
                List.of(
                        "--max-model-len 8,192 to 688: limited by 44 MiB of KV memory",
                        "--max-num-seqs 64 to 16: limited by the memory for activations"),
                plan.lowered());
    }

    @Test
    void statesAreNamedBesideActivations() {
        MemoryPlan.Needs plain = needs(GIB);
        var needs = new MemoryPlan.Needs(CONTEXT, plain.ranks(), plain.kv(), true);
        assertEquals(
                "--max-num-seqs 64 to 16: limited by the memory for activations and states",
                MemoryPlan.of(needs, asked(0, 0, 0), GIB + 60 * MIB).lowered().getLast());
        String refusal =
                assertThrows(
                                TooLittleMemoryException.class,
                                () -> MemoryPlan.of(needs, asked(0, 4096, 0), 2 * GIB))
                        .toString();
        assertTrue(refusal.contains(", activations and states of 4096 sequences"), refusal);
    }

    @Test
    void noMoreSequencesThanBlocks() {
        MemoryPlan plan = plan(GIB, asked(0, 0, 19 * MIB), 100 * GIB);
        assertEquals(18, plan.maxNumSeqs());
        assertEquals(18 * 16, plan.maxModelLen());
        assertTrue(
                plan.lowered().contains("--max-num-seqs 64 to 18: limited by the KV blocks"),
                plan.lowered().toString());
        assertEquals(64, plan(GIB, asked(0, 64, 19 * MIB), 100 * GIB).maxNumSeqs(), "requested");
    }

    @Test
    void aRequestedLengthMayUseAllRemainingMemory() {
        MemoryPlan plan = plan(GIB, asked(8192, 1, 0), GIB + 514 * MIB);
        assertEquals(8192, plan.maxModelLen());
        assertEquals(513 * MIB, plan.kvBytes());
        assertEquals(List.of(), plan.lowered());
    }

    @Test
    void aRequestedLengthThatDoesNotFitIsRefusedWithOneThatDoes() {
        assertEquals(
                "weights take 1,024 MiB, activations of 1 sequences 1,024 KiB, KV memory at least"
                        + " 513 MiB; 1,537 MiB are free: --max-model-len=7168 --max-num-seqs=1"
                        + " would fit",
                refusal(GIB, asked(8192, 1, 0), GIB + 513 * MIB));
    }

    @Test
    void theSettingsThatARefusalSuggestsFit() {
        List<MemoryPlan.Asked> requests =
                List.of(
                        asked(8192, 0, 0),
                        asked(0, 4096, 0),
                        asked(8192, 4096, 0),
                        asked(0, 0, 4000 * GIB),
                        asked(8192, 0, 4000 * GIB),
                        asked(8192, 128, 400 * MIB));
        for (MemoryPlan.Asked request : requests) {
            String refusal = refusal(GIB, request, GIB + 300 * MIB);
            int length = suggested(refusal, "max-model-len");
            int sequences = suggested(refusal, "max-num-seqs");
            int kv = refusal.contains("--kv-memory") ? suggested(refusal, "kv-memory") : 0;
            assertTrue(refusal.contains("1,324 MiB are free"), refusal);
            MemoryPlan plan = plan(GIB, asked(length, sequences, kv), GIB + 300 * MIB);
            assertEquals(length, plan.maxModelLen(), refusal);
            assertEquals(sequences, plan.maxNumSeqs(), refusal);
        }
    }

    private static int suggested(String refusal, String key) {
        return Integer.parseInt(refusal.replaceAll(".*--" + key + "=(\\d+).*", "$1"));
    }

    @Test
    void weightsThatDoNotFitNeedAnotherModel() {
        String refusal = refusal(2 * GIB, asked(0, 0, 0), GIB);
        assertTrue(refusal.contains("weights take 2,048 MiB"), refusal);
        assertTrue(refusal.contains("use a smaller or more quantized model"), refusal);
        assertEquals(refusal, refusal(2 * GIB, asked(8192, 0, 0), GIB));
    }

    @Test
    void kvMemoryThatIsTooLittleForTheLengthIsRefusedWithBothRemedies() {
        assertEquals(
                "20 MiB of KV memory hold a sequence of 304 tokens, --max-model-len is 512:"
                        + " --max-model-len=304 or --kv-memory=33792K fits",
                refusal(GIB, asked(512, 0, 20 * MIB), 100 * GIB));
        assertEquals(512, plan(GIB, asked(512, 0, 33 * MIB), 100 * GIB).maxModelLen());
        assertTrue(
                refusal(GIB, asked(0, 0, MIB), 100 * GIB).contains("hold a sequence of 0 tokens"));
    }

    @Test
    void ranksShareKvMemoryInProportionToTheirBytesPerToken() {
        var needs =
                new MemoryPlan.Needs(
                        CONTEXT,
                        List.of(
                                new MemoryPlan.Rank(GIB, sequences -> MIB, 2 * TOKEN),
                                new MemoryPlan.Rank(GIB / 2, sequences -> MIB, TOKEN)),
                        new KvCapacity(List.of(KvGroup.full(List.of(0))), 16, 3 * TOKEN));
        MemoryPlan plan = MemoryPlan.of(needs, asked(0, 0, 300 * MIB), 100 * GIB);
        assertEquals(
                List.of(
                        new MemoryBill(GIB, 200 * MIB, MIB),
                        new MemoryBill(GIB / 2, 100 * MIB, MIB)),
                plan.ranks());
        assertEquals(99 * 16, plan.maxModelLen());
    }

    @Test
    void tablesOfRopesAreCountedForTheLengthThatIsServed() {
        long table = 512;
        MemoryPlan.Needs needs = withTables(table);
        MemoryPlan plan = MemoryPlan.of(needs, asked(0, 0, 0), 100 * GIB);
        assertEquals(
                new MemoryBill(GIB + CONTEXT * table, 2 * GIB, 64 * MIB), plan.ranks().getFirst());
        MemoryPlan shorter = MemoryPlan.of(needs, asked(100, 3, 0), 100 * GIB);
        assertEquals(GIB + 100 * table, shorter.ranks().getFirst().weights());
        MemoryPlan gpu = MemoryPlan.ofGpus(needs, asked(0, 0, 0), 100 * GIB);
        assertEquals(95 * GIB - GIB - 64 * MIB - CONTEXT * table, gpu.kvBytes());
        // What the tables of 672 positions take is no whole block.
        MemoryPlan little = MemoryPlan.of(needs, asked(0, 0, 0), GIB + 60 * MIB);
        assertEquals(16, little.maxNumSeqs());
        assertEquals(672, little.maxModelLen());
        assertEquals(GIB + 672 * table, little.ranks().getFirst().weights());
    }

    @Test
    void aLengthHasRoomForItsTablesAndItsKvMemory() {
        MemoryPlan.Needs needs = withTables(TOKEN);
        long available = GIB + 300 * MIB;
        MemoryPlan plan = MemoryPlan.of(needs, asked(0, 0, 0), available);
        // 300 MiB are 64 of activations, 117 of tables, 118 blocks of 1 MiB with the null block.
        assertEquals(117 * 16, plan.maxModelLen());
        assertTrue(plan.ranks().getFirst().total() <= available);
        String refusal =
                assertThrows(
                                TooLittleMemoryException.class,
                                () -> MemoryPlan.of(needs, asked(8192, 0, 0), available))
                        .toString();
        assertTrue(refusal.contains("weights take 1,536 MiB"), refusal);
        assertEquals(117 * 16, suggested(refusal, "max-model-len"));
        assertEquals(
                117 * 16, MemoryPlan.of(needs, asked(117 * 16, 0, 0), available).maxModelLen());
        MemoryPlan given =
                MemoryPlan.of(needs, asked(0, 64, 513 * MIB), GIB + (64 + 513 + 256) * MIB);
        assertEquals(
                List.of("--max-model-len 8,192 to 4,096: limited by the memory for rope tables"),
                given.lowered());
    }

    private static MemoryPlan.Needs withTables(long positionBytes) {
        MemoryPlan.Needs plain = needs(GIB);
        MemoryPlan.Rank rank = plain.ranks().getFirst();
        return new MemoryPlan.Needs(
                CONTEXT,
                List.of(
                        new MemoryPlan.Rank(
                                GIB, positionBytes, rank.activations(), rank.kvBytesPerToken())),
                plain.kv());
    }

    @Test
    void theLargestLimitsDoNotOverflow() {
        assertEquals(2 * GIB, plan(GIB, asked(0, 65536, 0), 1L << 42).kvBytes());
    }
}
