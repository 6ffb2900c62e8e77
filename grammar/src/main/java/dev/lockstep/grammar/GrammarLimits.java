// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

/// What one grammar may cost.
///
/// @param depth how deep expressions, or regular languages, may nest
/// @param nodes parts of a grammar before anything is matched
/// @param bytes memory of a grammar and of all that is derived from it, about
/// @param compileWork elementary operations of compiling
/// @param callWork elementary operations of one call of a matcher
public record GrammarLimits(int depth, int nodes, long bytes, long compileWork, long callWork) {
    /// 64 MiB; about 1 s to compile, and about 50 ms for a call.
    public static final GrammarLimits DEFAULT =
            new GrammarLimits(400, 400_000, 64L << 20, 8_000_000, 1_000_000);

    public GrammarLimits {
        if (depth < 1 || nodes < 1 || bytes < 1 || compileWork < 1 || callWork < 1) {
            throw new IllegalArgumentException("a limit of a grammar below 1");
        }
    }
}
