package dev.lockstep.cluster;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/// The live view of who is there.
///
/// Static stability: while ZooKeeper is away the last content stays, and serving goes on with it.
/// Entries are hints. A process that was killed stays listed until its session ends (6 s), so two
/// entries for one rank are normal for a while; [Snapshot#worker] picks the newer.
public interface Membership {

    Snapshot snapshot();

    /// Calls `listener` with the present content and then after each change, on the cluster's own
    /// event thread.
    ///
    /// Changes may be joined: a listener sees the newest content, not every step towards it. It
    /// must not block for long, for leadership news comes on the same thread: hand over to your own
    /// thread.
    Subscription listen(Consumer<Snapshot> listener);

    /// Ends a listener; one that is being called at the moment may still finish.
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

        /// The members of one role in one group, READY or not.
        public List<Member> members(Member.Role role, String group) {
            return members.stream()
                    .filter(member -> member.role() == role && member.group().equals(group))
                    .toList();
        }

        /// The newest worker announced for a rank.
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

        /// The names of all groups that somebody announced, sorted.
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
