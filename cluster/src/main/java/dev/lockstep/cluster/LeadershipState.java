// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.util.OptionalLong;

/// The state of a group's leadership as one contender knows it, and the decisions that follow from
/// it. Independent of threads and ZooKeeper; its owner guards it.
///
/// The election decides which contender may begin to lead; the contender that took the highest
/// epoch leads. So a leader keeps leading without ZooKeeper, and two contenders never depose each
/// other in turn.
final class LeadershipState {

    /// The group's counter as last read: the highest epoch taken and the contender that took it.
    record Counter(long epoch, String holder) {

        static final Counter NONE = new Counter(0, "");

        /// No group takes so many epochs; a higher one leaves no numbers above it.
        private static final long HIGHEST = Long.MAX_VALUE / 2;

        String text() {
            return epoch + " " + holder;
        }

        /// Returns [#NONE] for malformed text: the workers know the epoch better than a damaged
        /// counter.
        static Counter parse(String text) {
            int space = text.indexOf(' ');
            if (space < 0) {
                return NONE;
            }
            try {
                long epoch = Long.parseLong(text.substring(0, space));
                return epoch < 0 || epoch > HIGHEST
                        ? NONE
                        : new Counter(epoch, text.substring(space + 1));
            } catch (NumberFormatException e) {
                return NONE;
            }
        }
    }

    /// The change that an observation caused.
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

    /// Applies the state of the election and of the counter, as read from ZooKeeper.
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

    /// Returns the counter to write for a new epoch. The caller calls [#took] after writing it.
    Counter next(long atLeast) {
        return new Counter(Math.max(Math.max(counter.epoch(), ownEpoch), atLeast) + 1, contender);
    }

    void took(Counter written) {
        counter = written;
        ownEpoch = written.epoch();
    }

    /// Takes a new epoch without ZooKeeper. Returns empty when this contender does not lead, or
    /// resigns because the workers obey a higher epoch of another contender.
    OptionalLong nextWithoutZooKeeper(long atLeast) {
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

    /// Returns whether the counter is lower than an epoch this leader took: the epoch was taken
    /// without ZooKeeper, or ZooKeeper was wiped.
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
