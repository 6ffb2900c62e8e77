// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// The way a body ended, for its enclosing loop.
enum Flow {
    NORMAL,
    BREAK,
    CONTINUE
}
