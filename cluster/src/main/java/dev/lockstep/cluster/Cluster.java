package dev.lockstep.cluster;

import java.time.Duration;

/// One process's link to the others: who is there, who leads, and the key they share.
///
/// The serving path never waits for it. [ZooKeeperCluster] is the real one, [FixedCluster] the one
/// of tests and simulations; both pass the same contract suite. Whoever opens it closes it; closing
/// withdraws its registrations and resigns its leaderships, which the others see at once.
public interface Cluster extends AutoCloseable {

    Membership membership();

    /// Announces a process until the registration or this cluster is closed. Returns at once;
    /// without ZooKeeper the announcement is made when it comes.
    ///
    /// @throws IllegalArgumentException when it takes more than [Member#MAX_BYTES] as JSON
    Registration register(Member member);

    /// Takes part in the election of a group. `contender` is the incarnation of the scheduler,
    /// different for each.
    Leadership contend(String group, String contender, Leadership.Listener listener);

    /// The 16 bytes that key [BlockHasher] in the whole cluster; made by whoever asks first, and
    /// kept in memory after the first call.
    ///
    /// @throws IllegalStateException when ZooKeeper cannot be reached within 10 s
    byte[] blockHashKey();

    /// Whether ZooKeeper answers at the moment. A hint for logs and status pages.
    boolean connected();

    /// Waits until [#connected], at most for `timeout`.
    ///
    /// @return whether it is
    boolean awaitConnected(Duration timeout) throws InterruptedException;

    @Override
    void close();
}
