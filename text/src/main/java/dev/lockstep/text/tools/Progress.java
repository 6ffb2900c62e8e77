// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

/// How far a reader came with the text at hand.
enum Progress {
    /// It read its part; what follows is not read.
    DONE,
    /// It needs more text.
    MORE,
    /// The text is not what it reads.
    FAILED
}
