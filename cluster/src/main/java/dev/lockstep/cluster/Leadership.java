// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.util.OptionalLong;

/// One scheduler's candidacy in the election of its group.
///
/// A leader leads until another contender takes an epoch that is not lower, not until ZooKeeper
/// becomes unreachable: a leader without ZooKeeper continues with the workers that still obey its
/// epoch. That is safe because the workers are the fence (law 1), and needed because serving must
/// outlive ZooKeeper.
public interface Leadership extends AutoCloseable {

    /// The callbacks of an election. They run on the cluster's event thread and hand work over to
    /// another thread.
    interface Listener {

        /// Called when this contender begins to lead: ask the workers for the highest epoch they
        /// have seen, then call [Leadership#nextEpoch].
        void elected();

        /// Called when another contender has taken over the lead: stop commanding workers. This one
        /// may be elected again later.
        void deposed();
    }

    String group();

    boolean leading();

    /// Takes a new epoch, greater than `atLeast`, than every epoch this leader took and than the
    /// group's counter in ZooKeeper. Returns empty when this contender does not lead.
    ///
    /// `atLeast` is the highest epoch that the workers report; a new leader always asks them, since
    /// ZooKeeper may have been wiped. Blocks for at most 3 s, so never call it on the step loop.
    ///
    /// Without ZooKeeper a leader takes the next number alone and writes it into the counter when
    /// ZooKeeper returns, because it must be able to form its group again after losing a worker. It
    /// declines when the workers report an epoch above its own: another contender leads then, and
    /// the two would raise the epoch in turn without end. In the worst case two contenders hold the
    /// same number, so workers obey one epoch from one stream only.
    OptionalLong nextEpoch(long atLeast);

    /// Resigns, so that the next contender is elected at once.
    @Override
    void close();
}
