// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.List;

/// What a [Regex] can be less something.
sealed interface RegexDifference permits Regex {
    /// The texts of this language that are not in the other one.
    default Regex minus(Regex other) {
        return new Regex.Intersection(List.of((Regex) this, new Regex.Complement(other)));
    }

    /// The texts of this language in which no text of `marker` occurs, neither alone nor within.
    default Regex without(Regex marker) {
        return minus(Regex.sequence(Regex.ANY_BYTES, marker, Regex.ANY_BYTES));
    }
}
