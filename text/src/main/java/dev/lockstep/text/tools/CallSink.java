// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

/// Takes what a reader finds within one call.
interface CallSink {
    void id(String id);

    /// Takes the name, before any arguments.
    ///
    /// @return whether there is a function of this name
    boolean name(String name);

    void arguments(String json);
}
