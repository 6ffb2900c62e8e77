// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.OptionalInt;

/// The reason for the end of a choice.
///
/// @param stopText the stop string that matched, or empty
/// @param stopToken the requested stop id that was generated; empty for an end token of the model
record Finish(Reason reason, String stopText, OptionalInt stopToken) {

    enum Reason {
        STOP,
        LENGTH,
        /// The answer ended by itself, and calls tools.
        TOOL_CALLS;

        /// Returns the value in responses.
        String word() {
            return switch (this) {
                case STOP -> "stop";
                case LENGTH -> "length";
                case TOOL_CALLS -> "tool_calls";
            };
        }
    }

    /// Returns the end of an answer with calls.
    Finish called() {
        return reason == Reason.STOP ? new Finish(Reason.TOOL_CALLS, stopText, stopToken) : this;
    }

    static Finish length() {
        return new Finish(Reason.LENGTH, "", OptionalInt.empty());
    }

    static Finish stopString(String text) {
        return new Finish(Reason.STOP, text, OptionalInt.empty());
    }

    static Finish endToken() {
        return new Finish(Reason.STOP, "", OptionalInt.empty());
    }

    static Finish stopToken(int id) {
        return new Finish(Reason.STOP, "", OptionalInt.of(id));
    }
}
