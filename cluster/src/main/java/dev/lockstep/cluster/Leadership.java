package dev.lockstep.cluster;

import java.util.OptionalLong;

/// One scheduler's part in the election of its group.
///
/// A leader leads until another contender has taken a higher epoch, not until ZooKeeper goes away:
/// a leader that cannot reach ZooKeeper goes on with the workers that still obey its epoch. That is
/// safe because the workers are the fence (law 1), and needed because serving must outlive
/// ZooKeeper.
public interface Leadership extends AutoCloseable {

    /// Told on the cluster's event thread; hand over to your own thread.
    interface Listener {

        /// This contender leads now: ask the workers for the highest epoch they have seen, then
        /// [Leadership#nextEpoch].
        void elected();

        /// Another contender has taken a higher epoch: stop commanding workers. It may be elected
        /// again later.
        void deposed();
    }

    String group();

    boolean leading();

    /// Takes a new epoch, greater than `atLeast`, than every epoch this leader took and than the
    /// group's counter in ZooKeeper. Empty when this contender does not lead (any more).
    ///
    /// `atLeast` is the highest epoch that the workers report; a new leader always asks them, since
    /// ZooKeeper may have been wiped. Blocks for at most 3 s, so not on the step loop.
    ///
    /// While ZooKeeper is away a leader takes the next number by itself and writes it into the
    /// counter on ZooKeeper's return, for it must be able to form its group again after losing a
    /// worker. But it declines when the workers report an epoch above its own: then somebody else
    /// leads, and taking still higher numbers in turn would be a duel. Two contenders may then hold
    /// the same number at worst, so workers obey one epoch from one stream only.
    OptionalLong nextEpoch(long atLeast);

    /// Resigns, so that the next contender is elected at once.
    @Override
    void close();
}
