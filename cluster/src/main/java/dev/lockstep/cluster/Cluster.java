// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.time.Duration;
import java.util.OptionalLong;

/// The connection of one process to its cluster: membership, leadership and the block hash key.
///
/// The serving path never waits for it. [ZooKeeperCluster] is the production implementation,
/// `FixedCluster` is for tests and simulations; both pass the same contract suite. The caller that
/// opens a cluster closes it; closing withdraws its registrations and resigns its leaderships,
/// which the other processes see at once.
public interface Cluster extends AutoCloseable {

    Membership membership();

    /// Announces a process until the registration or this cluster is closed. Returns at once;
    /// without ZooKeeper the announcement is made when ZooKeeper becomes reachable.
    ///
    /// @throws IllegalArgumentException when the member has more than [Member#MAX_BYTES] bytes as
    ///   JSON
    Registration register(Member member);

    /// Enters the election of a group. `contender` is the incarnation of the scheduler, different
    /// for each.
    Leadership contend(String group, String contender, Leadership.Listener listener);

    /// Returns the highest epoch that was given out for a group, 0 for none; empty when ZooKeeper
    /// does not answer within 3 s.
    OptionalLong givenEpoch(String group);

    /// Returns the 16-byte key of [BlockHasher], the same in the whole cluster; the first process
    /// that asks creates it.
    ///
    /// @throws IllegalStateException when ZooKeeper cannot be reached within 10 s
    byte[] blockHashKey();

    /// Returns whether ZooKeeper is connected at the moment. A hint for logs and status pages.
    boolean connected();

    /// Waits until [#connected], at most for `timeout`.
    ///
    /// @return whether it is connected
    boolean awaitConnected(Duration timeout) throws InterruptedException;

    @Override
    void close();
}
