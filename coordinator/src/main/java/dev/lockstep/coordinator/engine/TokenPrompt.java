// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

/// One prompt for the engine; `ids` must not be modified.
///
/// @param outputs the outputs requested of it in addition to generated tokens
public record TokenPrompt(int[] ids, RequestedOutputs outputs) {
    static TokenPrompt of(int[] ids) {
        return new TokenPrompt(ids, RequestedOutputs.NONE);
    }

    public int length() {
        return ids.length;
    }
}
