// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Membership;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The newest worker announced for each rank of a group that has one.
///
/// @param missing why these are not all ranks; empty when they are
record AnnouncedRanks(List<Member> members, String missing) {
    AnnouncedRanks {
        members = List.copyOf(members);
    }

    /// Returns those of a group of `ranks` ranks. While the number changes, workers of both numbers
    /// are announced.
    static AnnouncedRanks of(Membership.Snapshot snapshot, String group, int ranks) {
        List<Member> workers = snapshot.members(Member.Role.WORKER, group);
        List<Member> found = new ArrayList<>();
        Optional<Member> misfit = Optional.empty();
        for (int rank = 0; rank < ranks; rank++) {
            Optional<Member> newest = Optional.empty();
            for (Member worker : workers) {
                if (worker.rank() == rank && worker.size() == ranks) {
                    newest = Optional.of(worker);
                } else if (worker.rank() == rank) {
                    misfit = misfit.or(() -> Optional.of(worker));
                }
            }
            newest.ifPresent(found::add);
        }
        return new AnnouncedRanks(found, missing(found, misfit, group, ranks));
    }

    private static String missing(
            List<Member> found, Optional<Member> misfit, String group, int ranks) {
        if (found.size() == ranks) {
            return "";
        }
        return misfit.map(
                        member ->
                                "%s is one of %d ranks, this scheduler has --tensor-parallel %d"
                                        .formatted(member.describe(), member.size(), ranks))
                .orElse("group %s has %d of %d workers".formatted(group, found.size(), ranks));
    }

    /// The processes, by rank.
    List<String> incarnations() {
        return members.stream().map(Member::incarnation).toList();
    }
}
