// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.RankInfo;
import dev.lockstep.scheduler.GroupShape;
import java.util.List;

/// A group that can run steps: its ranks, what they agreed on, and the blocks they still hold. The
/// infos of the ranks are passed from workers to coordinators unread.
record FormedGroup(
        WorkerGroup workers,
        GroupShape shape,
        String model,
        String modelDigest,
        int vocabularySize,
        List<RankInfo> ranks,
        CommonBlocks held) {

    FormedGroup {
        ranks = List.copyOf(ranks);
    }
}
