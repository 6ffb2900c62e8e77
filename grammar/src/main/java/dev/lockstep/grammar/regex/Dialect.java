// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

/// Whose reading of a regular expression counts where readings differ.
public enum Dialect {
    /// JavaScript's with the flag `u`, which JSON Schema names for `pattern`: `\d` and `\w` are
    /// ASCII, `[]` is empty, `.` stops at four line terminators.
    ECMA_262,
    /// Python's and Rust's: `\d` and `\w` are Unicode, `]` first in a class is itself, `.` stops at
    /// a line feed, and flags as in `(?i)` are read.
    PYTHON
}
