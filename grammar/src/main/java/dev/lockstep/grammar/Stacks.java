// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import org.jspecify.annotations.Nullable;

/// A set of stacks of what is still to come, as the frames on their tops; what lies below a frame
/// is a set again. Equal sets of an automaton are one object.
final class Stacks {
    /// What comes next, and the stacks below it.
    record Frame(ExpressionNode rest, Stacks below) {
        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Frame frame && frame.rest == rest && frame.below == below;
        }

        @Override
        public int hashCode() {
            return 31 * rest.id + below.id;
        }
    }

    final int id;
    final Frame[] frames;

    /// Whether the empty stack is one of them: then the text may end.
    final boolean bottom;

    /// Where a text is when its terminal has ended on these stacks; null before it is known.
    @Nullable Configuration resumed;

    Stacks(int id, Frame[] frames, boolean bottom) {
        this.id = id;
        this.frames = frames;
        this.bottom = bottom;
    }

    /// As [Object#hashCode], but the same in every run.
    @Override
    public int hashCode() {
        return id;
    }
}
