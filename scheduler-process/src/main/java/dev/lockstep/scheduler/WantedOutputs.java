// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// The outputs that a sequence requests in addition to generated tokens, of positions from `from`
/// on. The rest of the request is for the workers.
///
/// @param from must be computed even where the prefix cache holds it, and all positions after it
/// @param request passed on to the workers; empty when no outputs are requested
public record WantedOutputs(int from, Payload request) {
    public static final WantedOutputs NONE = new WantedOutputs(0, Payload.NONE);

    public boolean any() {
        return !request.isEmpty();
    }
}
