// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// The use of [RenderLimits] by a rendering; one per rendering, owned by its thread.
final class Budget {
    private static final int CHARACTERS_PER_STEP = 32;

    private final RenderLimits limits;
    private long steps;
    private int callDepth;
    private int nesting;

    Budget(RenderLimits limits) {
        this.limits = limits;
    }

    void step() {
        steps(1);
    }

    void steps(long count) {
        steps += count;
        if (steps > limits.steps()) {
            throw new TemplateException("more than " + limits.steps() + " steps");
        }
    }

    /// Charges a text before its memory is allocated.
    int text(long characters) {
        requireLength(characters);
        steps(1 + characters / CHARACTERS_PER_STEP);
        return (int) characters;
    }

    /// Checks the length of a text whose parts are charged one by one.
    void requireLength(long characters) {
        if (characters > limits.outputCharacters()) {
            throw new TemplateException(
                    "a text of " + characters + " characters exceeds " + limits.outputCharacters());
        }
    }

    /// Charges a sequence before its memory is allocated.
    int items(long count) {
        requireItems(count);
        steps(1 + count);
        return (int) count;
    }

    /// Checks the length of a sequence whose items are charged one by one.
    void requireItems(long count) {
        if (count > limits.items()) {
            throw new TemplateException(
                    "a sequence of " + count + " items exceeds " + limits.items());
        }
    }

    /// Opens one level of blocks, brackets or data; balanced by [#leave].
    void enter() {
        steps(1);
        if (++nesting > limits.nesting()) {
            throw new TemplateException("nested deeper than " + limits.nesting());
        }
    }

    void leave() {
        nesting--;
    }

    /// Opens the body of a macro or of a recursive loop; balanced by [#leaveCall].
    void enterCall() {
        if (++callDepth > limits.callDepth()) {
            throw new TemplateException("calls nested deeper than " + limits.callDepth());
        }
    }

    void leaveCall() {
        callDepth--;
    }
}
