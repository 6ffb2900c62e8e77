// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import org.jspecify.annotations.Nullable;

/// What a state of a terminal allows whatever its stacks are.
///
/// @param slice tokens that stay within the terminal and were not looked at, not to be written to
/// @param parts all other tokens
record Stay(long @Nullable [] slice, Part... parts) {
    /// @param inside tokens that stay within the terminal
    /// @param exits prefixes of tokens with which the terminal may end, and with more bytes to come
    /// @param manyExits whether there are so many that they are not listed
    record Part(PrefixTree tree, TokenSet inside, int[] exits, boolean manyExits) {
        long bytes() {
            return 64 + inside.bytes() + 4L * exits.length;
        }
    }
}
