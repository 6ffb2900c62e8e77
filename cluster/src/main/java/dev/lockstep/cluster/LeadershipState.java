package dev.lockstep.cluster;

import java.util.OptionalLong;

/// What one contender knows about who leads its group, and what follows from it. Knows no thread
/// and no ZooKeeper; its owner guards it.
///
/// The election says who may begin to lead; who leads is whoever took the highest epoch. So a
/// leader stays one while ZooKeeper is away, and two never take turns.
final class LeadershipState {

    /// The group's counter as last read: the highest epoch taken and by whom.
    record Counter(long epoch, String holder) {

        static final Counter NONE = new Counter(0, "");

        String text() {
            return epoch + " " + holder;
        }

        /// Garbage counts as nothing taken: the workers know better than a damaged counter.
        static Counter parse(String text) {
            int space = text.indexOf(' ');
            try {
                return space < 0
                        ? NONE
                        : new Counter(
                                Long.parseLong(text.substring(0, space)),
                                text.substring(space + 1));
            } catch (NumberFormatException e) {
                return NONE;
            }
        }
    }

    /// What an observation changed.
    enum Change {
        NONE,
        ELECTED,
        DEPOSED
    }

    private final String contender;
    private boolean leading;
    private long ownEpoch;
    private Counter counter = Counter.NONE;

    LeadershipState(String contender) {
        this.contender = contender;
    }

    boolean leading() {
        return leading;
    }

    /// Takes in the state of the election and of the counter, read from ZooKeeper.
    Change observe(boolean first, Counter read) {
        counter = read;
        if (first) {
            boolean begins = !leading;
            leading = true;
            return begins ? Change.ELECTED : Change.NONE;
        }
        boolean overtaken =
                !read.holder().isEmpty()
                        && !read.holder().equals(contender)
                        && read.epoch() >= ownEpoch;
        return leading && overtaken ? resign() : Change.NONE;
    }

    /// The counter to write for a new epoch. Call [#took] when it is written.
    Counter next(long atLeast) {
        return new Counter(Math.max(Math.max(counter.epoch(), ownEpoch), atLeast) + 1, contender);
    }

    void took(Counter written) {
        counter = written;
        ownEpoch = written.epoch();
    }

    /// A new epoch without ZooKeeper; nothing when the workers obey somebody else, who then leads.
    OptionalLong nextAlone(long atLeast) {
        if (!leading) {
            return OptionalLong.empty();
        }
        if (ownEpoch > 0 && atLeast > ownEpoch) {
            resign();
            return OptionalLong.empty();
        }
        took(next(atLeast));
        return OptionalLong.of(ownEpoch);
    }

    /// Whether the counter lags behind an epoch this leader took: it was taken alone, or ZooKeeper
    /// was wiped.
    boolean counterLags(Counter read) {
        return leading && ownEpoch > read.epoch();
    }

    Counter own() {
        return new Counter(ownEpoch, contender);
    }

    Change resign() {
        leading = false;
        return Change.DEPOSED;
    }
}
