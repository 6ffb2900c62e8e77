// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.proto.v1.HeldBlocks;
import dev.lockstep.proto.v1.Joined;
import java.util.List;
import org.junit.jupiter.api.Test;

class CommonBlocksTest {
    private static HeldBlocks held(int kvGroup, int... blocksAndNames) {
        HeldBlocks.Builder held = HeldBlocks.newBuilder().setKvGroup(kvGroup);
        ByteString names = ByteString.empty();
        for (int i = 0; i < blocksAndNames.length; i += 2) {
            held.addBlocks(blocksAndNames[i]);
            names =
                    names.concat(
                            ByteString.copyFrom(new BlockHash(0, blocksAndNames[i + 1]).toBytes()));
        }
        return held.setNames(names).build();
    }

    private static Joined rank(HeldBlocks... held) {
        return Joined.newBuilder().addAllHeld(List.of(held)).build();
    }

    @Test
    void onlyBlocksThatEveryRankHoldsInTheSamePlaceUnderTheSameNameAreCommon() {
        CommonBlocks common =
                CommonBlocks.of(
                        List.of(
                                rank(held(0, 3, 30, 4, 40, 5, 50), held(1, 3, 31)),
                                rank(held(0, 3, 30, 4, 41, 6, 50), held(1, 3, 31))));
        assertEquals(
                List.of(
                        new CommonBlocks.Block(0, 3, new BlockHash(0, 30)),
                        new CommonBlocks.Block(1, 3, new BlockHash(0, 31))),
                common.blocks().stream()
                        .sorted((a, b) -> Integer.compare(a.kvGroup(), b.kvGroup()))
                        .toList());
    }

    @Test
    void aNewRankLeavesNoCommonBlocks() {
        assertEquals(CommonBlocks.NONE, CommonBlocks.of(List.of(rank(held(0, 3, 30)), rank())));
    }
}
