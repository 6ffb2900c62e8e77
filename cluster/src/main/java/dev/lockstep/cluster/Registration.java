// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

/// An announcement of one process, maintained until its owner closes it.
///
/// After a lost session it is made again automatically, within 15 s of ZooKeeper's return. Closing
/// removes it at once; a process that dies without closing disappears when its session ends.
public interface Registration extends AutoCloseable {

    /// Returns the member that is announced, or will be as soon as ZooKeeper can be reached.
    Member member();

    /// Announces the same process anew: state, attributes and addresses may change. Returns at
    /// once.
    ///
    /// @throws IllegalArgumentException when role, group, rank or incarnation differ
    void update(Member changed);

    /// Announces that requests may be routed to this process.
    default void ready() {
        update(member().withState(Member.State.READY));
    }

    @Override
    void close();

    /// Refuses an update that changes the identity of the process.
    static void requireSame(Member before, Member after) {
        boolean same =
                before.role() == after.role()
                        && before.group().equals(after.group())
                        && before.rank() == after.rank()
                        && before.incarnation().equals(after.incarnation());
        if (!same) {
            throw new IllegalArgumentException(
                    "the announcement of "
                            + before.describe()
                            + " cannot become one of "
                            + after.describe());
        }
    }
}
