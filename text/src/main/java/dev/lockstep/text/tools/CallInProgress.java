// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/// The call that is being read: its text as it was written, and the events that it may become.
final class CallInProgress implements CallSink {
    private final int index;
    private final Set<String> names;
    private final boolean constrained;
    private final Consumer<AnswerEvent> events;
    private final StringBuilder written = new StringBuilder();
    private final StringBuilder arguments = new StringBuilder();
    private Optional<String> id = Optional.empty();
    private Optional<String> name = Optional.empty();

    /// @param constrained whether events are passed on at once
    CallInProgress(
            int index, Set<String> names, boolean constrained, Consumer<AnswerEvent> events) {
        this.index = index;
        this.names = names;
        this.constrained = constrained;
        this.events = events;
    }

    void write(CharSequence text) {
        written.append(text);
    }

    @Override
    public void id(String found) {
        id = Optional.of(found);
    }

    @Override
    public boolean name(String found) {
        if (!names.contains(found)) {
            return false;
        }
        name = Optional.of(found);
        if (constrained) {
            events.accept(new AnswerEvent.CallStart(index, id, found));
        }
        return true;
    }

    @Override
    public void arguments(String json) {
        if (constrained) {
            events.accept(new AnswerEvent.Arguments(index, json));
        } else {
            arguments.append(json);
        }
    }

    /// Ends a call that is complete.
    void complete() {
        if (!constrained) {
            events.accept(new AnswerEvent.CallStart(index, id, name.orElseThrow()));
            events.accept(new AnswerEvent.Arguments(index, arguments.toString()));
        }
        events.accept(new AnswerEvent.CallEnd(index));
    }

    /// Returns the text of what is no call, to be content; empty if the call was already passed on.
    Optional<String> abandon() {
        if (constrained && name.isPresent()) {
            events.accept(new AnswerEvent.CallEnd(index));
            return Optional.empty();
        }
        return Optional.of(written.toString());
    }
}
