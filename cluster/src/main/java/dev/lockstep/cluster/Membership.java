// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/// The live list of the cluster's processes.
///
/// Static stability: without ZooKeeper the last content remains, and serving continues with it.
/// Entries are hints. A process that was killed remains listed until its session ends (6 s), so two
/// entries for one rank are normal for a time; [Snapshot#worker] returns the newer.
public interface Membership {

    Snapshot snapshot();

    /// Calls `listener` with the current content and then after each change, on the cluster's event
    /// thread.
    ///
    /// Changes may be coalesced: a listener receives the newest content, not every intermediate
    /// one. It must not block for long, because leadership callbacks use the same thread: hand work
    /// over to another thread.
    Subscription listen(Consumer<Snapshot> listener);

    /// The registration of a listener. After closing, a call in progress may still finish.
    interface Subscription extends AutoCloseable {
        @Override
        void close();
    }

    /// Members at one moment, in the order they were registered, oldest first.
    record Snapshot(List<Member> members) {

        public static final Snapshot EMPTY = new Snapshot(List.of());

        public Snapshot {
            members = List.copyOf(members);
        }

        public List<Member> members(Member.Role role) {
            return members.stream().filter(member -> member.role() == role).toList();
        }

        /// Returns the members of one role in one group, READY or not.
        public List<Member> members(Member.Role role, String group) {
            return members.stream()
                    .filter(member -> member.role() == role && member.group().equals(group))
                    .toList();
        }

        /// Returns the newest worker announced for a rank.
        public Optional<Member> worker(String group, int rank) {
            return members(Member.Role.WORKER, group).stream()
                    .filter(member -> member.rank() == rank)
                    .reduce((older, newer) -> newer);
        }

        public Optional<Member> find(String incarnation) {
            return members.stream()
                    .filter(member -> member.incarnation().equals(incarnation))
                    .findFirst();
        }

        /// Returns the names of all announced groups, sorted.
        public List<String> groups() {
            return members.stream()
                    .map(Member::group)
                    .filter(group -> !group.isEmpty())
                    .distinct()
                    .sorted(Comparator.naturalOrder())
                    .toList();
        }
    }
}
