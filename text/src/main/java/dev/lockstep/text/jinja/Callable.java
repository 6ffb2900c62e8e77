// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// A value that a template may call: a macro, a method of a value, a global function.
interface Callable {
    Object call(CallArguments arguments);
}
