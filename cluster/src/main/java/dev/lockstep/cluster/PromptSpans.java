// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.util.Arrays;

/// The spans of a prompt that some models compute in another way than all other positions: the
/// aligned ones that lie wholly within it. Both ways give other bits, so that blocks of the same
/// tokens must not have the same name: names have marked ids at the positions of spans.
///
/// Workers choose by it what computes a position, schedulers name blocks by it and the
/// coordinators' routers look for those names, so all must compute it here.
public final class PromptSpans {
    /// A bit that no token id has.
    private static final int MARK = Integer.MIN_VALUE;

    private PromptSpans() {}

    /// Returns the end of the spans of a prompt, from position 0 on.
    ///
    /// @param span the length of each; 0 for a model that computes all positions alike
    public static int end(int promptLength, int span) {
        return span == 0 ? 0 : promptLength / span * span;
    }

    /// Returns the id with which a position of a span is named.
    public static int marked(int id) {
        return id | MARK;
    }

    /// Returns the ids with which the positions of a prompt are named.
    public static int[] named(int[] prompt, int span) {
        int end = end(prompt.length, span);
        if (end == 0) {
            return prompt;
        }
        int[] ids = Arrays.copyOf(prompt, prompt.length);
        for (int i = 0; i < end; i++) {
            ids[i] = marked(ids[i]);
        }
        return ids;
    }
}
