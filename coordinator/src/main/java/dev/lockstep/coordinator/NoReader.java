// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.proto.v1.PositionOutputs;

/// The sink of a response that nobody reads.
final class NoReader implements ResponseSink {
    @Override
    public void outputs(int choice, PositionOutputs outputs) {}

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {}

    @Override
    public void finished(int choice, Finish finish, TokenUsage usage) {}

    @Override
    public void quiet() {}

    @Override
    public void completed(TokenUsage usage) {}

    @Override
    public void failed(ApiError error) {}
}
