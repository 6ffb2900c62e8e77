// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.Member;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class HandshakeTest {
    private static Joined.Builder rank(int rank) {
        String incarnation = "%032x".formatted(rank);
        return FakeRank.joined(Member.worker("g", rank, 3, "here", 1, incarnation));
    }

    /// Returns a rank with its own device, which shares no memory with others.
    private static Joined.Builder gpu(int rank) {
        Joined.Builder joined =
                rank(rank)
                        .setInstructionSet("sm_90a")
                        .setNeedsOneHost(false)
                        .setDeviceId("GPU-" + rank)
                        .setKvBlocks(2);
        return rank == 0 ? joined.setCollectiveId(ByteString.copyFromUtf8("meet here")) : joined;
    }

    private static Form agree(Joined.Builder... ranks) throws FormationException {
        List<Joined> joined = Stream.of(ranks).map(Joined.Builder::build).toList();
        return Handshake.agree(joined, "r", 64, 0);
    }

    private static FormationException refusal(UnaryOperator<Joined.Builder> change) {
        return refusal(rank(0), change.apply(rank(1)));
    }

    private static FormationException refusal(Joined.Builder... ranks) {
        FormationException refusal = assertThrows(FormationException.class, () -> agree(ranks));
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
        refused(rank -> rank.setProtocolVersion("1"), "protocol version", "8", "rank 1 has 1");
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
        for (String version : List.of("1", "3", "9")) {
            Joined.Builder bare = Joined.newBuilder().setRank(0).setProtocolVersion(version);
            assertEquals(
                    "protocol version differs: the scheduler has 8, rank 0 has "
                            + version
                            + "; a group's processes must be of the same version of Lockstep",
                    refusal(bare, rank(1)).getMessage());
        }
    }

    @Test
    void versionsThatDifferAreRefusedByName() {
        Joined.Builder first =
                gpu(0).putVersions("NCCL", "2.27.3").putVersions("kernel sources", "5f0c");
        assertEquals(
                "NCCL differs: rank 0 has 2.27.3, rank 1 has 2.29.1; "
                        + "it must be the same on all ranks of a group",
                refusal(first, gpu(1).putVersions("NCCL", "2.29.1")).getMessage());
        assertEquals(
                "kernel sources differs: rank 0 has 5f0c, rank 1 has none; "
                        + "it must be the same on all ranks of a group",
                refusal(first, gpu(1).putVersions("NCCL", "2.27.3")).getMessage());
        Joined.Builder more = gpu(1).putAllVersions(first.getVersionsMap());
        assertEquals(
                "NVRTC differs: rank 0 has none, rank 1 has 13.0.88; "
                        + "it must be the same on all ranks of a group",
                refusal(first, more.putVersions("NVRTC", "13.0.88")).getMessage());
    }

    @Test
    void ranksThatShareNoMemoryMayBeOnSeveralHosts() throws FormationException {
        Form form = agree(gpu(0), gpu(1).setHost("there"));
        assertEquals(2, form.getKvBlocks());
    }

    @Test
    void aRankThatNeedsOneHostIsNotJoinedByARankOfAnother() {
        for (boolean first : new boolean[] {true, false}) {
            String message =
                    refusal(
                                    gpu(0).setNeedsOneHost(first),
                                    gpu(1).setNeedsOneHost(!first).setHost("there"))
                            .getMessage();
            assertEquals(
                    "host differs: rank 0 has here, rank 1 has there; "
                            + "it must be the same on all ranks of a group",
                    message);
        }
    }

    @Test
    void theSameDeviceTwiceIsRefusedNamingBothRanks() throws FormationException {
        assertEquals(
                "rank 0 and rank 2 both run on device GPU-0; each rank of a group needs its own",
                refusal(gpu(0), gpu(1), gpu(2).setDeviceId("GPU-0")).getMessage());
        // CPUs are shared and have no id.
        agree(rank(0), rank(1));
    }

    @Test
    void theIdThatRankZeroBringsIsHandedToAll() throws FormationException {
        assertEquals(ByteString.copyFromUtf8("meet here"), agree(gpu(0), gpu(1)).getCollectiveId());
        assertEquals(ByteString.EMPTY, agree(rank(0), rank(1)).getCollectiveId());
        assertEquals(ByteString.EMPTY, agree(gpu(0).clearCollectiveId()).getCollectiveId());
    }

    @Test
    void severalRanksWithoutSharedMemoryNeedAnId() {
        assertEquals(
                "rank 0 has no collective id, with which ranks meet that need not share a host",
                refusal(gpu(0).clearCollectiveId(), gpu(1)).getMessage());
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
