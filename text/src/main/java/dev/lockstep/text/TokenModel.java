// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A model that encodes one normalized word as token ids; immutable except for its word cache,
/// shared by all threads.
interface TokenModel {
    /// Appends the ids of `text[from, to)`, which is not empty.
    void encode(char[] text, int from, int to, IntList ids);
}
