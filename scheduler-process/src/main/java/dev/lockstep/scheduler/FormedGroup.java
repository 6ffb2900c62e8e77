package dev.lockstep.scheduler;

import dev.lockstep.proto.v1.RankInfo;
import java.util.List;

/// A group that can run steps: its ranks, and what they agreed on. The infos of the ranks pass
/// through from workers to coordinators unread.
record FormedGroup(
        WorkerGroup workers,
        GroupShape shape,
        String model,
        String modelDigest,
        int vocabularySize,
        List<Integer> endTokenIds,
        List<RankInfo> ranks) {

    FormedGroup {
        endTokenIds = List.copyOf(endTokenIds);
        ranks = List.copyOf(ranks);
    }
}
