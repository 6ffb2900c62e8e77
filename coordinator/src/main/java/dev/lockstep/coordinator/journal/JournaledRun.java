// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import dev.lockstep.proto.v1.GenerateEvent;
import java.util.concurrent.CompletableFuture;

/// A completion that goes on with a response of the journal, until [#end] or [#leave].
public final class JournaledRun {
    private final Journal journal;
    final JournaledResponse response;
    final CompletableFuture<Void> durable;
    final Runnable displaced;
    final int reader;

    JournaledRun(
            Journal journal,
            JournaledResponse response,
            CompletableFuture<Void> durable,
            Runnable displaced) {
        this.journal = journal;
        this.response = response;
        this.durable = durable;
        this.displaced = displaced;
        this.reader = response.reader;
    }

    /// Returns what is complete when the request is on the disk, or has a
    /// [JournalUnavailableException].
    public CompletableFuture<Void> durable() {
        return durable;
    }

    /// Writes tokens that are committed; returns at once.
    public void commit(int prompt, GenerateEvent.Tokens tokens) {
        journal.commit(response, prompt, tokens);
    }

    /// Ends the completions that went on with the response before.
    public void lead() {
        journal.lead(this);
    }

    /// The response has ended, if no other completion goes on with it.
    ///
    /// @param whole with all its tokens
    public void end(boolean whole) {
        journal.end(this, whole);
    }

    /// The request was refused: the response is forgotten, if no other completion goes on with it.
    public void refuse() {
        journal.refuse(this);
    }

    /// Another reader has the response, or its client wants it to be gone: it is forgotten, unless
    /// that reader is one of this journal.
    public void moved() {
        journal.moved(this);
    }

    /// The completion ends, and the response does not.
    public void leave() {
        journal.leave(this);
    }
}
