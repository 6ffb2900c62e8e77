package dev.lockstep.coordinator;

import dev.lockstep.proto.v1.PositionOutputs;

/// Where a completion's text goes: an event stream, one JSON object, a gRPC stream.
///
/// Called by the completion's thread only, which may wait in it for a slow client.
interface ResponseSink {

    /// Outputs of positions that were asked for, in order.
    void outputs(int choice, PositionOutputs outputs);

    /// Text and tokens of a choice.
    ///
    /// @param usage so far, this delta included
    void delta(int choice, Delta delta, TokenUsage usage);

    /// The end of a choice, after its last delta.
    ///
    /// @param usage so far
    void finished(int choice, Finish finish, TokenUsage usage);

    /// Nothing happened for a while.
    void quiet();

    /// All choices have ended.
    void completed(TokenUsage usage);

    /// The completion ended otherwise; before anything was shown that is a plain error.
    void failed(ApiError error);
}
