// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

/// How freely an instance may be written.
public enum Layout {
    /// No white space, and properties in the order of the schema, further ones after them.
    COMPACT,
    /// White space between any tokens, and properties in any order.
    FLEXIBLE
}
