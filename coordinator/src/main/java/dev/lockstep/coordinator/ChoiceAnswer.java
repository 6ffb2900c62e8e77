// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GeneratedToken;
import java.util.Optional;

/// Converts the tokens of one choice to the parts and tokens that may be sent: first to text, then
/// to reasoning, content and calls. Confined to the thread of its completion.
final class ChoiceAnswer {
    private final ChoiceText text;
    private final Optional<AnswerReader> reader;

    /// @param reader empty if the text is not taken apart
    ChoiceAnswer(ChoiceText text, Optional<AnswerReader> reader) {
        this.text = text;
        this.reader = reader;
    }

    /// Adds the next token; after the end of the choice all deltas are empty.
    Delta push(GeneratedToken token) {
        return isFinished() ? Delta.EMPTY : read(text.push(token));
    }

    /// Ends the choice when the engine has ended it.
    ///
    /// @param stopTokenId the id that stopped it, or negative
    Delta finish(boolean stopped, int stopTokenId) {
        return isFinished() ? Delta.EMPTY : read(text.finish(stopped, stopTokenId));
    }

    private Delta read(Delta raw) {
        if (reader.isEmpty()) {
            return raw;
        }
        Delta read = raw.isEmpty() ? Delta.EMPTY : reader.get().read(raw);
        return isFinished() ? read.and(reader.get().finish()) : read;
    }

    private boolean isFinished() {
        return text.finish().isPresent();
    }

    /// Returns why the choice ended; empty while it runs.
    Optional<Finish> finish() {
        return text.finish()
                .map(end -> reader.filter(AnswerReader::called).isPresent() ? end.called() : end);
    }
}
