// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import java.util.List;

/// The numbers of ranks at which recorded models are tested.
final class RankCounts {
    static final List<Integer> ALL = List.of(1, 2, 3, 4);
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");

    private RankCounts() {}

    /// Returns those of one model of a list, whose models take turns; with `-Dlockstep.long=true`
    /// all of them.
    static List<Integer> of(int index) {
        return LONG ? ALL : List.of(ALL.get(index % ALL.size()));
    }
}
