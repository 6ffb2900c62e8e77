// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// The value of a missing name, key or attribute: empty as text or sequence, false as a condition,
/// an error in other uses.
record Undefined(String reason) {
    static Undefined name(String name) {
        return new Undefined("'" + name + "' is undefined");
    }

    static Undefined attribute(Object of, String name) {
        return new Undefined(Values.describe(of) + " has no attribute '" + name + "'");
    }

    static Undefined element(Object of, String key) {
        return new Undefined(Values.describe(of).replace("'", "") + " has no element " + key);
    }

    /// Returns the value of a method that modifies its object: present in the dialect's host
    /// language, refused by the sandbox when used.
    static Undefined unsafe(Object of, String name) {
        return new Undefined(
                "access to attribute '"
                        + name
                        + "' of '"
                        + Values.typeName(of)
                        + "' object is unsafe.");
    }

    TemplateException used() {
        return new TemplateException(reason);
    }
}
