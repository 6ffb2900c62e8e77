// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.proto.v1.HeldBlocks;
import dev.lockstep.proto.v1.Joined;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Full blocks from earlier epochs that every rank of a group reports in the same place under the
/// same name: their shards together are still the keys and values of a prefix.
record CommonBlocks(List<Block> blocks) {
    static final CommonBlocks NONE = new CommonBlocks(List.of());

    record Block(int kvGroup, int block, BlockHash name) {}

    CommonBlocks {
        blocks = List.copyOf(blocks);
    }

    static CommonBlocks of(List<Joined> ranks) {
        var common = new HashMap<Long, BlockHash>();
        read(ranks.getFirst(), common);
        for (Joined rank : ranks.subList(1, ranks.size())) {
            var other = new HashMap<Long, BlockHash>();
            read(rank, other);
            common.entrySet().removeIf(each -> !each.getValue().equals(other.get(each.getKey())));
        }
        var blocks = new ArrayList<Block>(common.size());
        common.forEach(
                (place, name) ->
                        blocks.add(new Block((int) (place >> 32), place.intValue(), name)));
        return new CommonBlocks(blocks);
    }

    private static void read(Joined rank, Map<Long, BlockHash> names) {
        for (HeldBlocks held : rank.getHeldList()) {
            ByteBuffer bytes = held.getNames().asReadOnlyByteBuffer();
            for (int block : held.getBlocksList()) {
                names.put(
                        (long) held.getKvGroup() << 32 | block,
                        new BlockHash(bytes.getLong(), bytes.getLong()));
            }
        }
    }
}
