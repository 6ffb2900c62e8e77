// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Member;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

class HandshakeTest {
    private static Joined.Builder rank(int rank) {
        String incarnation = "%032x".formatted(rank);
        return FakeRank.joined(Member.worker("g", rank, 2, "here", 1, incarnation));
    }

    private static FormationException refusal(UnaryOperator<Joined.Builder> change) {
        List<Joined> ranks = List.of(rank(0).build(), change.apply(rank(1)).build());
        FormationException refusal =
                assertThrows(FormationException.class, () -> Handshake.agree(ranks, "r", 64, 0));
        assertTrue(refusal.isRefusal());
        return refusal;
    }

    private static void refused(UnaryOperator<Joined.Builder> change, String... named) {
        String message = String.valueOf(refusal(change).getMessage());
        for (String name : named) {
            assertTrue(message.contains(name), message);
        }
    }

    @Test
    void ranksThatDifferAreRefusedNamingBothValues() {
        refused(rank -> rank.setModelDigest("d2"), "model digest", "d1", "d2", "rank 1");
        refused(rank -> rank.setModel("other"), "model", "fake", "other");
        refused(rank -> rank.setTokenizerDigest("t2"), "tokenizer digest", "t1", "t2");
        refused(rank -> rank.setSettings("dtype=bf16"), "settings", "f32", "bf16");
        refused(rank -> rank.setSettingsDigest("s2"), "settings digest", "s1", "s2");
        refused(rank -> rank.setInstructionSet("avx2"), "instruction set", "avx512", "avx2");
        refused(rank -> rank.setComputeType("bf16"), "compute type", "f32", "bf16");
        refused(rank -> rank.setKvType("f16"), "KV type", "f32", "f16");
        refused(rank -> rank.setHost("there"), "host", "here", "there");
        refused(rank -> rank.setProtocolVersion("4"), "protocol version", "3", "4");
        refused(rank -> rank.setBuild("b2"), "build", "b2");
        refused(rank -> rank.setVocabSize(41), "vocabulary", "40", "41");
        refused(rank -> rank.setMaxModelLen(64), "max-model-len", "120", "64");
        refused(rank -> rank.setBlockSize(16), "block size", "4", "16");
        refused(
                rank -> rank.addKvGroups(KvGroupInfo.newBuilder().setKind("window").setWindow(8)),
                "KV groups",
                "window of 8");
        refused(rank -> rank.setRank(5), "rank 1", "rank 5");
    }

    @Test
    void ranksOfAnotherProtocolAreRefused() {
        List<Joined> ranks = List.of(rank(0).setProtocolVersion("9").build());
        FormationException refusal =
                assertThrows(FormationException.class, () -> Handshake.agree(ranks, "r", 64, 0));
        assertEquals(
                "protocol version differs: the scheduler has 3, rank 0 has 9",
                refusal.getMessage());
    }

    @Test
    void theMinimumOfBlocksAndLimitsIsUsed() throws FormationException {
        List<Joined> ranks =
                List.of(
                        rank(0).setKvBlocks(50).setMaxNumSeqs(32).build(),
                        rank(1).setKvBlocks(40).setMaxNumBatchedTokens(256).build());
        Form form = Handshake.agree(ranks, "r", 64, 512);
        assertEquals(40, form.getKvBlocks());
        assertEquals(32, form.getMaxNumSeqs());
        assertEquals(256, form.getMaxNumBatchedTokens());
        Form measured = Handshake.agree(List.of(rank(0).build()), "r", 64, 0);
        assertEquals(0, measured.getMaxNumBatchedTokens());
    }

    @Test
    void ranksWithoutRoomForABlockAreRefused() {
        refused(rank -> rank.setKvBlocks(1), "1 blocks", "--kv-memory");
    }

    @Test
    void bytesPerBlockMayDifferWhereHeadsAreSplitUnevenly() throws FormationException {
        Joined.Builder other = rank(1).clearKvGroups();
        other.addKvGroups(KvGroupInfo.newBuilder().setKind("full").setBytesPerBlock(32));
        Handshake.agree(List.of(rank(0).build(), other.build()), "r", 64, 0);
    }
}
