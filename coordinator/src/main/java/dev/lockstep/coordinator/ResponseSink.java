// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.proto.v1.PositionOutputs;

/// The destination of a completion's text: an event stream, one JSON object or a gRPC stream.
///
/// Only the completion's thread calls it, and may block in it for a slow client.
interface ResponseSink {

    /// A scheduler has the request, and the disk if it is to be there, so that another coordinator
    /// finds it. Nothing comes before it but [#quiet] and [#failed].
    default void started() {}

    /// Whether the sink numbers what it sends, so that every run must give it the same deltas: each
    /// is then of one token.
    default boolean isNumbered() {
        return false;
    }

    /// The following deltas of a choice, or its end, are those of the token that makes this many.
    /// The end of a choice counts as a token.
    ///
    /// @param whole whether nothing else of the token follows
    default void at(int position, boolean whole) {}

    /// Accepts requested outputs of positions, in order.
    void outputs(int choice, PositionOutputs outputs);

    /// Accepts text and tokens of a choice.
    ///
    /// @param usage up to and including this delta
    void delta(int choice, Delta delta, TokenUsage usage);

    /// Accepts the end of a choice, after its last delta.
    ///
    /// @param usage up to now
    void finished(int choice, Finish finish, TokenUsage usage);

    /// Handles a period without events.
    void quiet();

    /// Ends the response after all choices have ended.
    void completed(TokenUsage usage);

    /// Ends the response with an error; a plain one if no text was sent yet.
    void failed(ApiError error);
}
